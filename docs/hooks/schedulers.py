"""Puts the table of all schedulers of the installed diffusers into the guide to schedulers."""

from __future__ import annotations

import inspect
import sys
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import diffusers.schedulers
from diffusers.utils import logging

sys.path.insert(0, str(Path(__file__).parents[2]))  # what measures is what tests

from priordiff.schedulers import refusal
from priordiff.schedulers.predictions import prediction_type_of
from tests.schedulers.drivers import adds_noise, make
from tests.schedulers.identity import EXACT, deviation_from_plain, steps_in_float32, tolerance
from tests.schedulers.networks import prediction_configs

PLACE = "<!-- the table of schedulers -->"
SUPPORTED = """
| `PriorGrad…Scheduler` | calls a step | its network predicts | adds noise | float64 |
|---|---|---|---|---|
"""
REFUSED = """
| cannot have a prior | because |
|---|---|
"""


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with the text of every page."""
    return markdown.replace(PLACE, table()) if PLACE in markdown else markdown


@cache
def table() -> str:
    """Every scheduler of diffusers, and what a prior makes of it."""
    logging.set_verbosity_error()
    names = [name for name in sorted(dir(diffusers.schedulers)) if name.endswith("Scheduler")]
    reasons = {name: refusal(getattr(diffusers.schedulers, name)) for name in names}
    supported = [_row(name) for name, reason in reasons.items() if reason is None]
    refused = [f"| {_short(name)} | {reason} |" for name, reason in reasons.items() if reason]
    return (
        f"diffusers {diffusers.__version__}:\n{SUPPORTED}"
        + "\n".join(supported)
        + f"\n{REFUSED}"
        + "\n".join(refused)
    )


def _row(name: str) -> str:
    plain = getattr(diffusers.schedulers, name)
    cells = [
        _short(name),
        str(getattr(plain, "order", 1)),
        _predictions(name),
        _noise(name, plain),
        "1e-10" if _measured(name) == EXACT else "1e-6",
    ]
    return "| " + " | ".join(cells) + " |"


def _short(name: str) -> str:
    return name.removesuffix("Scheduler")


def _predictions(name: str) -> str:
    types = [prediction_type_of(make(name, **config)) for config in prediction_configs(name)]
    return ", ".join(each.removesuffix("_prediction") for each in types)


def _noise(name: str, plain: Any) -> str:
    if adds_noise(name):
        return "yes"
    return "if asked" if "generator" in inspect.signature(plain.step).parameters else "no"


def _measured(name: str) -> float:
    """The bound on how far states are from the plain solver's, which stops the build if it does not hold."""
    bound = tolerance(name)
    for config in prediction_configs(name):
        found = deviation_from_plain(name, config=config)
        assert found < bound, f"{name} {config}: states differ by {found:.0e}, more than {bound:.0e}"
    assert steps_in_float32(name) == (bound != EXACT)
    return bound
