"""Weights in the layout of the published DiffWave and PriorGrad code."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from torch import Tensor

__all__ = ["PriorCondition", "fit_weights", "infer_config", "number_of_layers", "read_state_dict"]

PriorCondition = Literal["none", "mel_channel", "conditioner"]

_PUBLISHED_N_MELS = 80

# Published names to ours, as dotted segments.
_NAMES = {
    "diffusion_embedding": "step_embedding",
    "spectrogram_upsampler.conv1": "mel_upsampler.convs.0",
    "spectrogram_upsampler.conv2": "mel_upsampler.convs.1",
    "global_condition_upsampler.conv1": "prior_upsampler.convs.0",
    "global_condition_upsampler.conv2": "prior_upsampler.convs.1",
    "residual_layers": "layers",
    "diffusion_projection": "step_projection",
    "conditioner_projection": "condition_projection",
    "conditioner_projection_global": "prior_projection",
}


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


def infer_config(
    state_dict: Mapping[str, Tensor], prior_condition: PriorCondition | None = None
) -> dict[str, Any]:
    """Arguments of `priordiff.models.DiffWave` for a published state dict, where its keys tell them.

    Args:
        state_dict: weights in the published layout.
        prior_condition: how they take the prior's standard deviation, if it is known.
    """
    config: dict[str, Any] = {}
    if (weight := state_dict.get("input_projection.weight")) is not None and weight.dim() == 3:
        config["residual_channels"] = weight.shape[0]
    if count := number_of_layers(state_dict):
        config["residual_layers"] = count
    weight = state_dict.get("residual_layers.0.conditioner_projection.weight")
    condition_channels = weight.shape[1] if weight is not None and weight.dim() == 3 else None
    if prior_condition is None:
        if any(key.startswith("global_condition_upsampler.") for key in state_dict):
            prior_condition = "conditioner"
        else:
            prior_condition = "mel_channel" if condition_channels == _PUBLISHED_N_MELS + 1 else "none"
    if condition_channels is not None:
        config["n_mels"] = condition_channels - (prior_condition == "mel_channel")
    return {**config, "prior_condition": prior_condition}


def number_of_layers(state_dict: Mapping[str, Tensor]) -> int:
    """How many residual layers a published state dict has; 0 if none."""
    indices = (re.match(r"(?:residual_)?layers\.(\d+)\.", key) for key in state_dict)
    return max((int(index[1]) + 1 for index in indices if index), default=0)


def fit_weights(state_dict: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict under the names and in the shapes of `priordiff.models.DiffWave`.

    Args:
        state_dict: weights in the published layout.
        expected: state dict of the model that is to have them.

    Raises:
        ValueError: if they do not fit; the message names every missing, unexpected and misshapen key.
    """
    published_names = {_published_name(key): key for key in expected}
    misfits = {
        "missing": sorted(published_names.keys() - state_dict.keys()),
        "unexpected": sorted(state_dict.keys() - published_names.keys()),
        "wrong shape": sorted(
            f"{key} {tuple(weight.shape)}, expected {tuple(expected[published_names[key]].shape)}"
            for key, weight in state_dict.items()
            if key in published_names
            and _as_two_dimensional(weight).shape != expected[published_names[key]].shape
        ),
    }
    if any(misfits.values()):
        found = "; ".join(f"{problem}: {', '.join(keys)}" for problem, keys in misfits.items() if keys)
        raise ValueError(f"not the weights of a published DiffWave: {found}")
    return {published_names[key]: _as_two_dimensional(weight) for key, weight in state_dict.items()}


def _published_name(key: str) -> str:
    dotted = f".{key}."
    for published, ours in _NAMES.items():
        dotted = dotted.replace(f".{ours}.", f".{published}.")
    return dotted[1:-1]


def _as_two_dimensional(weight: Tensor) -> Tensor:
    """A 1-D convolution's weight (out, in, kernel) as that of a 2-D one along a row (out, in, 1, kernel)."""
    return weight[:, :, None] if weight.dim() == 3 else weight
