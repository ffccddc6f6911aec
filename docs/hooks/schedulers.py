"""Puts the table of all schedulers of the installed diffusers into the guide to schedulers."""

from __future__ import annotations

from typing import Any

import diffusers
import diffusers.schedulers

from priordiff.schedulers import refusal
from priordiff.schedulers.coordinates import LINEAR_SOLVERS

PLACE = "<!-- the table of schedulers -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with the text of every page."""
    return markdown.replace(PLACE, table()) if PLACE in markdown else markdown


def table() -> str:
    """Every scheduler of diffusers, and what a prior makes of it."""
    names = [name for name in sorted(dir(diffusers.schedulers)) if name.endswith("Scheduler")]
    rows = "\n".join(_row(name, getattr(diffusers.schedulers, name)) for name in names)
    return (
        f"diffusers {diffusers.__version__}:\n\n"
        "| scheduler | with a prior | its float32 steps are taken in |\n|---|---|---|\n" + rows
    )


def _row(name: str, plain: Any) -> str:
    short = name.removesuffix("Scheduler")
    needs = [library for library in getattr(plain, "_backends", []) if library != "torch"]
    if needs:
        return f"| {short} | yes, with {' and '.join(needs)} installed | |"
    reason = refusal(plain)
    if reason is not None:
        return f"| {short} | no: {reason} | |"
    coordinates = "the units of the data" if name in LINEAR_SOLVERS else "white space"
    return f"| {short} | `PriorGrad{name}` | {coordinates} |"
