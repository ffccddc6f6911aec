"""Configurations of other schedulers: noise levels and prediction type are kept, or refused by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Set
from typing import Any

import diffusers
from diffusers.configuration_utils import FrozenDict

__all__ = ["NOISE_LEVELS", "keeping_entry", "with_noise_levels"]

# What says which noise levels a network was trained with, and what it predicts.
NOISE_LEVELS = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "rescale_betas_zero_snr",
    "snr_shift_scale",
    "use_flow_sigmas",
    "prediction_type",
)
# What a scheduler that does not know one of these has in effect.
_WITHOUT = {
    "beta_schedule": "linear",
    "trained_betas": None,
    "rescale_betas_zero_snr": False,
    "snr_shift_scale": 1.0,
    "use_flow_sigmas": False,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
}
_BETAS = {"beta_start", "beta_end", "trained_betas"}
_NO_BETAS = {"shift", "base_shift", "sigma_data", "sigma_min", "sigma_max"}


def with_noise_levels(cls: Any, config: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the noise levels and the prediction type that another scheduler really had.

    `from_config` of diffusers drops what a scheduler left at its default, and fills in the default of the new
    class. Where the two differ, a network would be shown noise that it was not trained with.

    Args:
        cls: the class that is to be made of it; it keeps what its `kept_from_configurations` names.
        config: of any scheduler.
        given: keyword arguments of `from_config`, which are stronger.

    Raises:
        ValueError: if the class cannot have these noise levels; the message names what it lacks.
    """
    known = inspect.signature(cls.__init__).parameters
    origin = str(config.get("_class_name", "")).removeprefix("PriorGrad")
    had = {name: value for name, value in config.items() if value is not None}
    if hasattr(diffusers, origin):  # an old file may lack what its class has by default
        defaults = inspect.signature(getattr(diffusers, origin).__init__).parameters
        had = {**{name: each.default for name, each in defaults.items() if name != "self"}, **had}
    asked = {**had, **given}
    _check_kind(cls, known.keys(), asked)
    for name in NOISE_LEVELS:
        if name in known or name not in _WITHOUT:
            continue
        value, neutral = asked.get(name), _WITHOUT[name]
        if value is not None and (neutral is None or value != neutral):
            raise ValueError(
                f"{cls.__name__} knows no {name}, which is {value!r} in this configuration, and the network "
                f"was trained so: take another scheduler, or pass {name}={neutral!r} if that is meant"
            )
    written = {
        name: value
        for name, value in config.items()
        if value is not None or name not in cls.kept_from_configurations
    }
    of_another = origin != cls.__name__.removeprefix("PriorGrad")
    if of_another and (origin or isinstance(config, FrozenDict)):
        for name in set(cls.kept_from_configurations) & known.keys() - config.keys():
            if name in had or name in _WITHOUT:
                written[name] = had.get(name, _WITHOUT.get(name))
    if "_use_default_values" in config:
        written["_use_default_values"] = [
            name
            for name in config["_use_default_values"]
            if name not in cls.kept_from_configurations
            or name not in known
            or known[name].default == config[name]
        ]
    return written


def _check_kind(cls: Any, known: Set[str], asked: Mapping[str, Any]) -> None:
    """Refuses betas where there are none, and what has none where there are."""
    own = (_BETAS if known & _BETAS else _NO_BETAS) & known
    named = asked.keys() & (_BETAS | _NO_BETAS)
    if own and named and not own & named and not asked.get("use_flow_sigmas"):
        raise ValueError(
            f"{cls.__name__} has its noise levels from {', '.join(sorted(own))}, and this configuration has "
            f"{', '.join(sorted(named))}: its network was trained with noise of another kind; take a "
            "scheduler of that kind"
        )


def keeping_entry(
    entry: str, extract: Callable[..., Any], config: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """What `extract_init_dict` makes of a configuration with an entry that no constructor takes.

    The entry is kept, without the warning that diffusers gives for what it does not know.

    Args:
        entry: its name.
        extract: the `extract_init_dict` of diffusers.
        config: that may have it.
        given: keyword arguments of `extract`.
    """
    others = {name: value for name, value in config.items() if name != entry}
    kept = {name: value for name, value in config.items() if name == entry}
    arguments, unused, hidden = extract(others, **given)
    return arguments, unused, {**hidden, **kept}
