"""The mel spectrograms that a vocoder understands."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from priordiff.audio.mel import LogMelSpectrogram

__all__ = ["analysed", "check_log_mels", "mel_parameters"]


def mel_parameters(from_model: Mapping[str, Any], mel: Mapping[str, Any] | None) -> dict[str, Any]:
    """All parameters of `LogMelSpectrogram`: those given, else those of the model, else the defaults.

    Args:
        from_model: those that the model has in its configuration.
        mel: those given.

    Raises:
        ValueError: if one is unknown, or not the model's.
    """
    defaults = {
        name: parameter.default for name, parameter in inspect.signature(LogMelSpectrogram).parameters.items()
    }
    parameters = {**defaults, **from_model, **(mel or {})}
    if unknown := set(parameters) - set(defaults):
        raise ValueError(f"mel has {', '.join(sorted(unknown))}, expected only {', '.join(defaults)}")
    for name, value in from_model.items():
        if parameters[name] != value:
            given = parameters[name]
            raise ValueError(f"mel has {name}={given}, but the model {name}={value}: they must be equal")
    return parameters


def analysed(waveforms: list[Tensor], sample_rate: int | None, parameters: Mapping[str, Any]) -> list[Tensor]:
    """Waveforms (N,) of one dtype and device to their log-mel frames (n_mels, N // hop_length).

    Raises:
        ValueError: if their sample rate is another one.
    """
    expected = parameters["sample_rate"]
    if sample_rate is not None and sample_rate != expected:
        raise ValueError(
            f"sample_rate={sample_rate}, but the model works at {expected}: resample first, e.g. "
            f"torchaudio.functional.resample(waveform, {sample_rate}, {expected})"
        )
    spectrogram = LogMelSpectrogram(**parameters).to(waveforms[0].device, waveforms[0].dtype)
    return [spectrogram(waveform[None])[0] for waveform in waveforms]


def check_log_mels(log_mels: Iterable[Tensor], n_mels: int) -> None:
    """Raises a ValueError that names the first item with other bands than the model's, or without frames."""
    for index, log_mel in enumerate(log_mels):
        bands, frames = log_mel.shape
        if bands != n_mels or not frames:
            given = f"mel[{index}] has {bands} bands and {frames} frames"
            raise ValueError(f"{given}, expected {n_mels} bands and at least one frame")
