"""When a prediction of DiffWave is made tile by tile, and how."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Tensor

from priordiff.models.diffwave_layers import are_plain
from priordiff.models.diffwave_tiles import TiledEvaluation

__all__ = ["predict_in_tiles", "suits_tiles", "tile_of"]

# Bytes of a channel of a tile for each thread: what is computed with more would not fit into a core's cache.
_TILE = 4096
# The shortest waveform whose ends cost less than tiles save is so many times what the network sees on a side.
_SHORTEST = 8
_DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def suits_tiles(model: Any, sample: Tensor, steps: Tensor, log_mel: Tensor, prior_std: Tensor | None) -> bool:
    """Whether tiles give the same prediction, and sooner.

    Args:
        model: a `DiffWave`.
        sample: as in its `forward`.
        steps: training steps (batch,), or one for all.
        log_mel: as in `forward`.
        prior_std: likewise.
    """
    if type(sample) is not Tensor or sample.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    given = [each for each in (sample, log_mel, prior_std) if each is not None]
    if torch.is_grad_enabled() and any(each.requires_grad for each in (*given, *model.parameters())):
        return False
    seen = sum(layer.dilated_conv.dilation[1] for layer in model.layers)
    if sample.shape[-1] < _SHORTEST * seen * model.config.block_size or _dtype(sample) not in _DTYPES:
        return False
    read = chain(
        model.layers.modules(), [model.input_projection, model.skip_projection, model.output_projection]
    )
    return bool((steps == steps.reshape(-1)[0]).all()) and are_plain(read)


def predict_in_tiles(
    model: Any, sample: Tensor, steps: Tensor, log_mel: Tensor, prior_std: Tensor | None
) -> Tensor:
    """What a `DiffWave` predicts, one item after the other.

    Args:
        model: the network.
        sample: as in its `forward`.
        steps: of which all are equal.
        log_mel: as in `forward`.
        prior_std: likewise.
    """
    step, predictions = float(steps.reshape(-1)[0]), torch.empty_like(sample, dtype=_dtype(sample))
    tile = tile_of(sample.shape[-1] // model.config.block_size, predictions.itemsize)
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        for item, (waveform, frames) in enumerate(zip(sample[:, 0], log_mel, strict=True)):
            std = None if prior_std is None else prior_std[item]
            evaluation = TiledEvaluation(model, step, frames, std, tile, predictions.dtype)
            predictions[item, 0] = evaluation(waveform)
    return predictions


def tile_of(length: int, itemsize: int = 4) -> int:
    """Positions of a tile for a waveform of so many: nearly as many as caches hold, and all about equal.

    Args:
        length: positions.
        itemsize: bytes of a number.

    Example:
        >>> tile_of(1000)
        1000
    """
    num_tiles = -(-length * itemsize // (_TILE * torch.get_num_threads()))
    return -(-length // num_tiles)


def _dtype(sample: Tensor) -> torch.dtype:
    """Of the computation."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else sample.dtype
