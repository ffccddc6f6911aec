"""Weights in the layout of the published DiffWave and PriorGrad code."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

__all__ = ["infer_sizes", "read_state_dict", "rename_keys"]

# Published names to ours, in the order in which they are tried.
_RENAMES = (
    (r"^diffusion_embedding\.", "step_embedding."),
    (r"^spectrogram_upsampler\.conv1\.", "mel_upsampler.convs.0."),
    (r"^spectrogram_upsampler\.conv2\.", "mel_upsampler.convs.1."),
    (r"^global_condition_upsampler\.conv1\.", "prior_upsampler.convs.0."),
    (r"^global_condition_upsampler\.conv2\.", "prior_upsampler.convs.1."),
    (r"^residual_layers\.(\d+)\.diffusion_projection\.", r"layers.\1.step_projection."),
    (r"^residual_layers\.(\d+)\.conditioner_projection\.", r"layers.\1.condition_projection."),
    (r"^residual_layers\.(\d+)\.conditioner_projection_global\.", r"layers.\1.prior_projection."),
    (r"^residual_layers\.", "layers."),
)


def read_state_dict(source: Mapping[str, Tensor] | str | os.PathLike[str]) -> dict[str, Tensor]:
    """A state dict as it is, or from a file: safetensors, or a checkpoint of torch whose pickle is not run.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if there is anything but tensors by name.
    """
    content = source if isinstance(source, Mapping) else _read_file(Path(source))
    # The published training script keeps the weights beside the optimizer's state.
    state = content.get("model", content) if isinstance(content, Mapping) else content
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        name = "the mapping" if isinstance(source, Mapping) else source
        raise ValueError(
            f"{name} holds no state dict: expected tensors by name, or such a mapping under 'model'"
        )
    return dict(state)


def _read_file(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"no such file of weights: {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, "cpu", weights_only=True)
    except PermissionError:
        raise
    except Exception as error:  # Damaged bytes make the readers raise almost anything.
        raise ValueError(
            f"{path} is no file of tensors alone, or damaged: expected safetensors, or a state dict as "
            "torch.save writes it"
        ) from error


def rename_keys(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published names and shapes to those of `priordiff.models.DiffWave`.

    Names that are not in the published layout stay as they are, for the check that follows to report them.

    Raises:
        ValueError: if two names become the same one.
    """
    renamed = {_renamed(key): _as_two_dimensional(value) for key, value in state_dict.items()}
    if len(renamed) < len(state_dict):
        raise ValueError("some of the weights are there twice, under the published name and under ours")
    return renamed


def infer_sizes(state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
    """Width, depth and number of condition channels of a published state dict, where its keys tell them."""
    sizes: dict[str, Any] = {}
    if (weight := state_dict.get("input_projection.weight")) is not None and weight.dim() == 3:
        sizes["residual_channels"] = weight.shape[0]
    indices = {
        int(match[1]) for key in state_dict if (match := re.match(r"(?:residual_)?layers\.(\d+)\.", key))
    }
    if indices:
        sizes["residual_layers"] = max(indices) + 1
    weight = state_dict.get("residual_layers.0.conditioner_projection.weight")
    if weight is not None and weight.dim() == 3:
        sizes["condition_channels"] = weight.shape[1]
    return sizes


def _renamed(key: str) -> str:
    for pattern, replacement in _RENAMES:
        renamed = re.sub(pattern, replacement, key)
        if renamed != key:
            return renamed
    return key


def _as_two_dimensional(weight: Tensor) -> Tensor:
    """A 1-D convolution's weight (out, in, kernel) as that of a 2-D one along a row (out, in, 1, kernel)."""
    return weight[:, :, None] if weight.dim() == 3 else weight
