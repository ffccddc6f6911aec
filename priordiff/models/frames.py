"""What networks over mel frames have in common: their conditioning, and what fits together."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

__all__ = [
    "check_log_mel",
    "check_mel_denoiser_inputs",
    "check_prior_condition",
    "check_probabilities",
    "check_sizes",
    "check_timesteps",
    "check_vocoder_inputs",
    "log_mel_of_standardized",
    "standardize_log_mel",
]

_MEAN, _DEVIATION = -5.0, 2.5
_SILENCE = math.log(1e-5)


def standardize_log_mel(log_mel: Tensor) -> Tensor:
    """Log-mel frames at the scale that networks like: of speech, about zero mean and unit deviation.

    Natural logarithms of magnitudes lie between −11.5 and 2.

    Args:
        log_mel: natural logarithms of mel magnitudes.
    """
    return (log_mel - _MEAN) / _DEVIATION


def log_mel_of_standardized(frames: Tensor) -> Tensor:
    """The inverse of `standardize_log_mel`, from silence up."""
    return (frames * _DEVIATION + _MEAN).clamp(min=_SILENCE)


def check_log_mel(log_mel: Tensor, n_mels: int) -> None:
    """Checks the shape of log-mel frames.

    Raises:
        ValueError: unless it is (batch, n_mels, frames).
    """
    if log_mel.dim() != 3 or log_mel.shape[1] != n_mels:
        raise ValueError(
            f"log_mel has shape {tuple(log_mel.shape)}, expected (batch, {n_mels} mel bands, frames)"
        )


def check_vocoder_inputs(config: Any, sample: Tensor, steps: Tensor, log_mel: Tensor) -> None:
    """Checks that what a vocoder's network is given fits together.

    Args:
        config: the network's, with `n_mels` and `hop_length`.
        sample: noisy waveforms.
        steps: training steps.
        log_mel: log-mel frames.

    Raises:
        ValueError: if a shape does not fit the others or the configuration.
    """
    check_log_mel(log_mel, config.n_mels)
    batch, _, frames = log_mel.shape
    expected = (batch, 1, frames * config.hop_length)
    if sample.shape != expected:
        raise ValueError(
            f"sample has shape {tuple(sample.shape)}, expected {expected} for log_mel of shape "
            f"{tuple(log_mel.shape)} and hop_length={config.hop_length}"
        )
    check_timesteps(steps, batch)


def check_mel_denoiser_inputs(
    config: Any,
    sample: Tensor,
    steps: Tensor,
    condition: Tensor,
    prior_mean: Tensor | None,
    prior_std: Tensor | None,
    mask: Tensor | None,
) -> None:
    """Checks that what a denoiser of mel frames is given fits together.

    Args:
        config: the network's, with `n_mels`, `condition_channels` and `prior_condition`.
        sample: noisy mel frames.
        steps: training steps.
        condition: of each frame.
        prior_mean: of each value of the sample, if `prior_condition` asks for it.
        prior_std: likewise.
        mask: True where a frame is no padding.

    Raises:
        ValueError: if a shape does not fit the others or the configuration.
    """
    if sample.dim() != 3 or sample.shape[1] != config.n_mels:
        raise ValueError(
            f"sample has shape {tuple(sample.shape)}, expected (batch, {config.n_mels} mel bands, frames)"
        )
    batch, _, frames = sample.shape
    expected = (batch, config.condition_channels, frames)
    if condition.shape != expected:
        raise ValueError(f"condition has shape {tuple(condition.shape)}, expected {expected}")
    check_timesteps(steps, batch)
    if mask is not None and mask.shape != (batch, frames):
        raise ValueError(f"mask has shape {tuple(mask.shape)}, expected {(batch, frames)}")
    for name, value in (("prior_mean", prior_mean), ("prior_std", prior_std)):
        if (value is not None) != (config.prior_condition != "none"):
            raise ValueError(
                f"{name} is {'missing' if value is None else 'given'}, but the model has "
                f"prior_condition={config.prior_condition!r}"
            )
        if value is not None and value.shape != sample.shape:
            raise ValueError(
                f"{name} has shape {tuple(value.shape)}, expected {tuple(sample.shape)} as the sample"
            )


def check_prior_condition(prior_condition: str) -> None:
    """Checks how a denoiser of mel frames is to see the prior.

    Raises:
        ValueError: unless it is "none" or "channels".
    """
    if prior_condition not in ("none", "channels"):
        raise ValueError(f"prior_condition={prior_condition!r} must be 'none' or 'channels'")


def check_timesteps(steps: Tensor, batch: int) -> None:
    """Checks that there is a training step for each item of a batch, or one for all.

    Raises:
        ValueError: if there is not.
    """
    if steps.shape not in ((), (1,), (batch,)):
        raise ValueError(f"timestep has shape {tuple(steps.shape)}, expected one number or {(batch,)}")


def check_sizes(**sizes: int) -> None:
    """Checks that sizes are positive.

    Raises:
        ValueError: if one is not; the message names it.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}={size} must be at least 1")


def check_probabilities(**probabilities: float) -> None:
    """Checks that probabilities lie in 0…1.

    Raises:
        ValueError: if one does not; the message names it.
    """
    for name, probability in probabilities.items():
        if not 0 <= probability <= 1:
            raise ValueError(f"{name}={probability} must lie in 0…1")
