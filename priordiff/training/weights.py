"""Averaged weights, put into a model for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from diffusers.training_utils import EMAModel
from torch import nn

__all__ = ["averaged_weights"]


@contextlib.contextmanager
def averaged_weights(model: nn.Module, ema: EMAModel | None) -> Iterator[None]:
    """Context in which a model is in evaluation mode, without gradients, and holds its averaged weights.

    Args:
        model: A model in training; it is so again afterwards, to the last bit.
        ema: Moving average of its parameters; None leaves them as they are.
    """
    parameters = list(model.parameters())
    if ema is not None:
        ema.store(parameters)
        ema.copy_to(parameters)
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train()
        if ema is not None:
            ema.restore(parameters)
