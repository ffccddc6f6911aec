"""Averaged weights, put into a model for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from priordiff.training.checkpoints import TrainingState

__all__ = ["averaged_weights"]


@contextlib.contextmanager
def averaged_weights(state: TrainingState) -> Iterator[None]:
    """Context in which a model is in evaluation mode, without gradients, and holds its averaged weights.

    Args:
        state: Of a model in training; it is so again afterwards, to the last bit. Where it is sharded, the
            averaged weights have been gathered before.
    """
    model, ema = state.model, None if state.sharded is not None else state.ema
    device = next(model.parameters()).device
    model.to(next(state.trained.parameters()).device)
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
        model.to(device)
