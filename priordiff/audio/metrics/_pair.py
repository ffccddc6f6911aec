"""What every measure asks of the waveforms that it is given."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["SHORTEST_SECONDS", "UndefinedMetricError", "check_pair", "check_waveform"]

# The longest analysis windows need some 0.1 s; PESQ refuses less than a quarter of a second.
SHORTEST_SECONDS = 0.25


class UndefinedMetricError(ValueError):
    """A measure has no value for these two waveforms, such as a pitch error where nothing is voiced."""


def check_waveform(waveform: Tensor, sample_rate: int, name: str) -> None:
    """Raises a ValueError unless the waveform is one channel of finite numbers, and long enough."""
    if waveform.ndim != 1 or not waveform.is_floating_point():
        raise ValueError(
            f"{name} has shape {tuple(waveform.shape)} and type {waveform.dtype}: "
            "expected one channel of floating-point samples, shape (N,)"
        )
    if sample_rate <= 0:
        raise ValueError(f"sample_rate is {sample_rate}: expected a positive number of Hz")
    if len(waveform) < SHORTEST_SECONDS * sample_rate:
        raise ValueError(
            f"{name} has {len(waveform)} samples at {sample_rate} Hz: "
            f"expected at least {SHORTEST_SECONDS} s, {math.ceil(SHORTEST_SECONDS * sample_rate)} samples"
        )
    if not torch.isfinite(waveform).all():
        broken = int((~torch.isfinite(waveform)).sum())
        raise ValueError(f"{name} holds {broken} NaN or infinite samples: expected finite numbers only")


def check_pair(prediction: Tensor, target: Tensor, sample_rate: int) -> None:
    """Raises a ValueError unless the two waveforms can be compared sample by sample."""
    check_waveform(prediction, sample_rate, "prediction")
    check_waveform(target, sample_rate, "target")
    if len(prediction) != len(target):
        raise ValueError(
            f"prediction has {len(prediction)} samples and target {len(target)}: "
            "expected equal lengths, cut the longer one"
        )
