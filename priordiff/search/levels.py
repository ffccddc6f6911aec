"""Noise levels of training, and steps that are spaced in them."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["half_log_snr", "nearest_timesteps", "straight_timesteps", "training_levels"]


def training_levels(scheduler: Any) -> np.ndarray:
    r"""The levels $\bar\alpha_t$ of a scheduler's training, falling.

    Args:
        scheduler: any with betas.
    """
    return scheduler.alphas_cumprod.double().numpy(force=True).clip(1e-12, 1 - 1e-12)


def half_log_snr(levels: np.ndarray) -> np.ndarray:
    r"""$\lambda = \tfrac12\log\tfrac{\bar\alpha}{1 - \bar\alpha}$, in which solvers' steps are measured.

    Args:
        levels: $\bar\alpha$.
    """
    return 0.5 * np.log(levels / (1 - levels))


def nearest_timesteps(wanted: np.ndarray, levels: np.ndarray) -> list[int]:
    r"""The training steps whose $\lambda$ is nearest.

    Args:
        wanted: values of $\lambda$.
        levels: $\bar\alpha$ of training.
    """
    rising = half_log_snr(levels)[::-1]
    places = np.interp(wanted, rising, np.arange(len(levels))[::-1])
    return [int(place) for place in places.round()]


def straight_timesteps(levels: np.ndarray, num_inference_steps: int, shift: float = 1.0) -> list[int]:
    r"""The training steps of a diffusion at which a flow would be evaluated.

    A diffusion $z = a z_0 + s n$ is a flow in other units: $y = z / (a + s) = (1 - \sigma) z_0 + \sigma n$
    with $\sigma = s / (a + s)$. So its network's prediction makes a velocity $\hat n - \hat z_0$ on the
    straight path, and Euler's step along that, $y + (\sigma' - \sigma)(\hat n - \hat z_0)$, is
    $(1 - \sigma')\hat z_0 + \sigma' \hat n$: DDIM's step, whatever the units. What a flow has of its own is
    where it steps: at evenly spaced $\sigma$, shifted as in $k\sigma / (1 + (k - 1)\sigma)$ (Esser et al.,
    ICML 2024, eq. 23), here between the last training step and the data.

    Args:
        levels: $\bar\alpha$ of training.
        num_inference_steps: how many.
        shift: k; more than 1 for more steps at high noise.

    Example:
        >>> levels = np.cumprod(1 - np.linspace(1e-4, 0.05, 400))
        >>> straight_timesteps(levels, 4)
        [399, 188, 103, 39]
    """
    most = 1 / (1 + np.exp(half_log_snr(levels)[-1]))
    unshifted = most / (shift - (shift - 1) * most)  # becomes the last training step when it is shifted
    sigmas = np.linspace(unshifted, 0, num_inference_steps + 1)[:-1]
    sigmas = shift * sigmas / (1 + (shift - 1) * sigmas)
    return nearest_timesteps(np.log((1 - sigmas) / sigmas), levels)
