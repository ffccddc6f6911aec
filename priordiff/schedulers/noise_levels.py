"""Lists of betas, and the training steps that they correspond to."""

from __future__ import annotations

import numpy as np

__all__ = ["align_betas", "betas_for_steps"]

# The lists of the published code, searched for its own training schedule.
_PUBLISHED_TRAINING = np.linspace(1e-4, 0.05, 50)
_PUBLISHED_BETAS = {
    6: (1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5),
    12: (1e-4, 5e-4, 8e-4, 1e-3, 5e-3, 8e-3, 0.01, 0.05, 0.08, 0.1, 0.2, 0.5),
}

# How far beyond the training range rounding may put a noise level, relative to its signal or noise variance.
_TOLERANCE = 1e-4


def align_betas(betas: np.ndarray, train_betas: np.ndarray) -> np.ndarray:
    r"""The fractional training step with the noise level of each inference step.

    $t + (\sqrt{\bar\alpha_t} - \sqrt{\bar\alpha'_s})/(\sqrt{\bar\alpha_t} - \sqrt{\bar\alpha_{t+1}})$ for the
    $t$ with $\bar\alpha_{t+1} \le \bar\alpha'_s \le \bar\alpha_t$ (DiffWave, Kong et al., ICLR 2021, appendix
    C).

    Args:
        betas: $\beta'$, those of sampling, from the data to the noise.
        train_betas: those of training.

    Raises:
        ValueError: if a beta is outside (0, 1), there are more than in training, or a noise level is outside
            the training range or repeated; the message names the offending beta.

    Example:
        >>> train = np.linspace(1e-4, 0.05, 50)
        >>> align_betas(train[:3], train)
        array([0., 1., 2.])
    """
    for index, beta in enumerate(betas):
        if not 0 < beta < 1:
            raise ValueError(f"betas[{index}]={beta:g}, expected a number between 0 and 1")
    if len(betas) > len(train_betas):
        raise ValueError(f"{len(betas)} betas are more than the {len(train_betas)} of training; give fewer")
    levels, train_levels = np.cumprod(1 - betas), np.cumprod(1 - train_betas)
    highest, lowest = train_levels[0], train_levels[-1]
    for beta, level in zip(betas, levels, strict=True):
        too_clean = 1 - level < (1 - highest) * (1 - _TOLERANCE)
        if too_clean or level < lowest * (1 - _TOLERANCE):
            raise ValueError(
                f"beta={beta:g} brings the signal's share ᾱ to {level:.6g}, outside the {lowest:.6g} to "
                f"{highest:.6g} of training; choose {'larger' if too_clean else 'smaller'} betas"
            )
    timesteps = np.interp(-np.sqrt(levels), -np.sqrt(train_levels), np.arange(len(train_betas)))
    # Timesteps are handed out in float32, and identify the step.
    repeated = np.flatnonzero(np.diff(timesteps.astype(np.float32)) <= 0)
    if repeated.size:
        raise ValueError(
            f"beta={betas[repeated[0] + 1]:g} hardly changes the noise level of the step before; leave it out"
        )
    return timesteps


def betas_for_steps(num_inference_steps: int, train_betas: np.ndarray) -> np.ndarray:
    r"""Betas for fewer steps than in training.

    The published lists for 6 and 12 steps of the published schedule, otherwise noise levels evenly spaced in
    the angle $\arccos\sqrt{\bar\alpha}$, whose cosine and sine are the scales of signal and noise (Salimans
    and Ho, ICLR 2022, appendix D), between the ends of the training schedule (only the noisiest, for one
    step).

    Args:
        num_inference_steps: how many.
        train_betas: those of training.
    """
    if num_inference_steps in _PUBLISHED_BETAS and (
        len(train_betas) == len(_PUBLISHED_TRAINING) and np.allclose(train_betas, _PUBLISHED_TRAINING)
    ):
        return np.array(_PUBLISHED_BETAS[num_inference_steps])
    train_levels = np.cumprod(1 - train_betas)
    highest, lowest = train_levels[0], train_levels[-1]
    angles = np.linspace(*np.arccos(np.sqrt([lowest, highest])), num_inference_steps)[::-1]
    levels = np.cos(angles) ** 2
    return 1 - levels / np.concatenate([[1.0], levels[:-1]])
