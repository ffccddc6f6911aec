"""Weights of the loss by noise level: min-SNR and P2, from any scheduler."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from priordiff.schedulers.predictions import prediction_weights, signal_and_noise_scale

__all__ = ["min_snr_weight", "p2_weight", "snr"]

# Stands for SNR = ∞, and its inverse for SNR = 0, where a weight is the limit of a product of 0 and ∞.
_LARGEST_SNR = 1e30


def snr(scheduler: Any, timesteps: Tensor) -> Tensor:
    r"""The signal-to-noise ratio $\mathrm{SNR}(t) = a_t^2 / s_t^2$ of $x_t = a_t x_0 + s_t n$.

    For a schedule of betas it is $\bar\alpha_t / (1 - \bar\alpha_t)$, for one of sigmas $1 / \sigma_t^2$, for
    flow matching $(1 - \sigma_t)^2 / \sigma_t^2$; see `signal_and_noise_scale`. A prior changes nothing: the
    ratio is that of the whitened state $z_t = L^{-1}(x_t - \mu)$.

    Args:
        scheduler: any scheduler of diffusers, with or without a prior; its `timesteps` must still be those of
            training.
        timesteps: training steps (batch,), as given to `add_noise`.

    Returns:
        SNR (batch,) in float32, on the device of the timesteps: 0 for pure noise, infinite without noise.

    Raises:
        ValueError: if the timesteps are not a batch.
        NotImplementedError: if the scheduler has no forward process.

    Example:
        >>> from diffusers import DDPMScheduler
        >>> snr(DDPMScheduler(), torch.tensor([0, 500, 999])).log10().round()
        tensor([ 4., -1., -4.])
    """
    if timesteps.dim() != 1:
        raise ValueError(
            f"timesteps has shape {tuple(timesteps.shape)}, expected (batch,), one for each item"
        )
    signal, noise = signal_and_noise_scale(scheduler, timesteps, _numbers(timesteps))
    return (signal / noise).square()


def min_snr_weight(scheduler: Any, timesteps: Tensor, gamma: float = 5.0) -> Tensor:
    r"""Min-SNR-γ, the weight that keeps easy noise levels from outweighing the others.

    The squared error of $x_0$ is weighted by $\min(\mathrm{SNR}, \gamma)$ (Hang et al., ICCV 2023, section
    3.4), whatever the network predicts; in terms of its own target that is

    | prediction type | weight |
    |---|---|
    | `sample` | $\min(\mathrm{SNR}, \gamma)$ |
    | `epsilon` | $\min(\mathrm{SNR}, \gamma) / \mathrm{SNR}$ |
    | `v_prediction` | $\min(\mathrm{SNR}, \gamma) / (\mathrm{SNR} + 1)$ |
    | flow | $\min(\mathrm{SNR}, \gamma) / (\sqrt{\mathrm{SNR}} + 1)^2$ |

    and for any target $d\,x_0 + e\,n$ (see `prediction_weights`) it is $\min(\mathrm{SNR}, \gamma) / (d -
    e\,\sqrt{\mathrm{SNR}})^2$, since at a given $x_t$ the error of the noise is $-(a_t / s_t)\,\Delta x_0$.
    With a prior, the weight multiplies the whitened error. At SNR = 0 (zero terminal SNR) it is 1 for
    `epsilon` and 0 for the others, at SNR = ∞ it is γ for `sample` and 0 for the others: the limits.

    Args:
        scheduler: any scheduler of diffusers, with or without a prior; its config says what is predicted.
        timesteps: training steps (batch,).
        gamma: ratio above which the weight of $x_0$'s error no longer grows; 5 in the paper.

    Returns:
        The weight of each item (batch,), for `prior_loss`.

    Raises:
        ValueError: if gamma is not a positive number, the timesteps are not a batch, or the prediction type
            is unknown.

    Example:
        >>> from diffusers import DDPMScheduler
        >>> from priordiff import prior_loss
        >>> weight = min_snr_weight(DDPMScheduler(), torch.tensor([100, 999]))
        >>> weight
        tensor([0.5857, 1.0000])
        >>> loss = prior_loss(torch.randn(2, 1, 8), torch.randn(2, 1, 8), weight=weight)
    """
    if not 0 < gamma < math.inf:
        raise ValueError(f"gamma={gamma}, expected a positive number")
    ratio = snr(scheduler, timesteps).clamp(1 / _LARGEST_SNR, _LARGEST_SNR)
    return (gamma / ratio).clamp(max=1) / _target_error(scheduler, timesteps, ratio)


def p2_weight(scheduler: Any, timesteps: Tensor, k: float = 1.0, gamma: float = 1.0) -> Tensor:
    r"""P2, the weight that gives priority to noise levels at which content is decided.

    The squared error of the noise is weighted by $1 / (k + \mathrm{SNR})^\gamma$ (Choi et al., CVPR 2022,
    "perception prioritized"), whatever the network predicts; in terms of its own target that is

    | prediction type | weight |
    |---|---|
    | `epsilon` | $1 / (k + \mathrm{SNR})^\gamma$ |
    | `sample` | $\mathrm{SNR} / (k + \mathrm{SNR})^\gamma$ |
    | `v_prediction` | $\mathrm{SNR} / (\mathrm{SNR} + 1) / (k + \mathrm{SNR})^\gamma$ |
    | flow | $\mathrm{SNR} / (\sqrt{\mathrm{SNR}} + 1)^2 / (k + \mathrm{SNR})^\gamma$ |

    At SNR = 0 and SNR = ∞ the weight is the limit of these.

    Args:
        scheduler: any scheduler of diffusers, with or without a prior; its config says what is predicted.
        timesteps: training steps (batch,).
        k: what keeps the weight of pure noise finite; 1 in the paper.
        gamma: how strongly low noise is held back; 0.5 and 1 in the paper, 0 for the plain loss of the noise.

    Returns:
        The weight of each item (batch,), for `prior_loss`.

    Raises:
        ValueError: if k is not positive or gamma negative, the timesteps are not a batch, the prediction type
            is unknown, or the weight is infinite (`sample`, no noise, gamma below 1).

    Example:
        >>> from diffusers import DDPMScheduler
        >>> p2_weight(DDPMScheduler(), torch.tensor([100, 999]))
        tensor([0.1049, 1.0000])
    """
    if not 0 < k < math.inf:
        raise ValueError(f"k={k}, expected a positive number")
    if not 0 <= gamma < math.inf:
        raise ValueError(f"gamma={gamma}, expected a number that is not negative")
    ratio = snr(scheduler, timesteps)
    # Only here can a weight be infinite, so only here is it worth waiting for the device.
    if gamma < 1 and scheduler.config.get("prediction_type") == "sample" and ratio.isinf().any():
        raise ValueError(
            f"timesteps={timesteps[ratio.isinf()].tolist()} have no noise, for which the weight of the "
            f"sample's error is infinite with gamma={gamma}: leave them out, or choose gamma=1 or more"
        )
    ratio = ratio.clamp(1 / _LARGEST_SNR, _LARGEST_SNR)
    return (k + ratio) ** -gamma / _target_error(scheduler, timesteps, ratio)


def _target_error(scheduler: Any, timesteps: Tensor, ratio: Tensor) -> Tensor:
    """What a squared error of 1 in the noise is as a squared error of what the network predicts."""
    data_weight, noise_weight = prediction_weights(scheduler, timesteps, _numbers(timesteps))
    # x_t = a x₀ + s n is given: an error Δn of the noise comes with an error −(s / a) Δn of the data.
    return (noise_weight - data_weight * ratio.rsqrt()).square()


def _numbers(timesteps: Tensor) -> Tensor:
    """One float32 number for each timestep: the data that scales are asked for."""
    return torch.empty(len(timesteps), device=timesteps.device)
