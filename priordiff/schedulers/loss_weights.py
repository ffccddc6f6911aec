"""Weights of the loss by noise level: min-SNR and P2, from any scheduler."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["min_snr_weight", "p2_weight", "snr"]

# What a squared error of the noise becomes as the squared error of another target: with x̂₀ and n̂ bound by
# x_t = a x̂₀ + s n̂, the errors are Δn = −(a/s) Δx₀, Δv = −(a²+s²)/s Δx₀ / √(a²+s²) and Δ(n − x₀) = Δn − Δx₀.
_NOISE_ERROR_PER_TARGET_ERROR: dict[str, Callable[[Tensor], Tensor]] = {
    "epsilon": torch.ones_like,
    "sample": lambda ratio: ratio,
    "v_prediction": lambda ratio: 1 / (1 + 1 / ratio),
    "flow_prediction": lambda ratio: 1 / (1 + ratio.rsqrt()).square(),
}
# Stands for SNR = ∞ in products of which one factor vanishes there.
_LARGEST_SNR = 1e30


def snr(scheduler: Any, timesteps: Tensor) -> Tensor:
    r"""The signal-to-noise ratio $\mathrm{SNR}(t) = a_t^2 / s_t^2$ of $x_t = a_t x_0 + s_t n$.

    The scheduler itself is asked for $a_t$ and $s_t$: it noises a one without noise, and noise of one without
    data. So it may be defined by betas ($\bar\alpha_t / (1 - \bar\alpha_t)$), by sigmas ($1 / \sigma_t^2$) or
    by flow matching ($(1 - \sigma_t)^2 / \sigma_t^2$). A prior changes nothing: the ratio is that of the
    whitened state $z_t = L^{-1}(x_t - \mu)$.

    Args:
        scheduler: any scheduler of diffusers with `add_noise` or `scale_noise`, with or without a prior; its
            `timesteps` must still be those of training.
        timesteps: training steps (batch,), as given to `add_noise`.

    Returns:
        SNR (batch,) in float32, on the device of the timesteps: 0 for pure noise, infinite without noise.

    Raises:
        ValueError: if the timesteps are not a batch.
        TypeError: if the scheduler has neither method.

    Example:
        >>> from diffusers import DDPMScheduler
        >>> snr(DDPMScheduler(), torch.tensor([0, 500, 999])).log10().round()
        tensor([ 4., -1., -4.])
    """
    if timesteps.dim() != 1:
        raise ValueError(
            f"timesteps has shape {tuple(timesteps.shape)}, expected (batch,), one for each item"
        )
    if getattr(scheduler, "prior", None) is not None:
        scheduler = copy.copy(scheduler)
        scheduler.set_prior(None)
    one = torch.ones(len(timesteps), 1, device=timesteps.device)
    zero = torch.zeros_like(one)
    if hasattr(scheduler, "add_noise"):
        signal, noise = (scheduler.add_noise(*pair, timesteps) for pair in ((one, zero), (zero, one)))
    elif hasattr(scheduler, "scale_noise"):
        signal, noise = (scheduler.scale_noise(x, timesteps, n) for x, n in ((one, zero), (zero, one)))
    else:
        raise TypeError(
            f"{type(scheduler).__name__} has neither add_noise nor scale_noise, which its SNR is read from: "
            "train with a scheduler that has one"
        )
    return (signal / noise).square().flatten()


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

    The last row is for the target $n - x_0$, whose error at a given $x_t$ is $-(a_t / s_t + 1)\,\Delta x_0$.
    With a prior, the weight multiplies the whitened error. At SNR = 0 (zero terminal SNR) it is 1 for
    `epsilon` and 0 for the others, at SNR = ∞ it is γ for `sample` and 0 for the others: the limits.

    Args:
        scheduler: any scheduler of diffusers, with or without a prior; its config says what is predicted.
        timesteps: training steps (batch,).
        gamma: ratio above which the weight of $x_0$'s error no longer grows; 5 in the paper.

    Returns:
        The weight of each item (batch,), for `prior_loss`.

    Raises:
        ValueError: if gamma is not a positive number, the timesteps are not a batch, or the scheduler does
            not say what is predicted.

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
    return _weight(scheduler, snr(scheduler, timesteps), lambda ratio: (gamma / ratio).clamp(max=1))


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
        ValueError: if k is not positive or gamma negative, the timesteps are not a batch, the scheduler does
            not say what is predicted, or the weight is infinite (`sample`, no noise, gamma below 1).

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
    if gamma < 1 and _prediction_type(scheduler) == "sample" and ratio.isinf().any():
        raise ValueError(
            f"timesteps={timesteps[ratio.isinf()].tolist()} have no noise, for which the weight of the "
            f"sample's error is infinite with gamma={gamma}: leave them out, or choose gamma=1 or more"
        )
    return _weight(scheduler, ratio, lambda ratio: (k + ratio) ** -gamma)


def _weight(scheduler: Any, ratio: Tensor, weight_of_noise: Callable[[Tensor], Tensor]) -> Tensor:
    """The weight of the error in what is predicted, given the weight of the noise's error."""
    ratio = ratio.clamp(max=_LARGEST_SNR)
    return weight_of_noise(ratio) * _NOISE_ERROR_PER_TARGET_ERROR[_prediction_type(scheduler)](ratio)


def _prediction_type(scheduler: Any) -> str:
    default = "flow_prediction" if hasattr(scheduler, "scale_noise") else None
    prediction_type = scheduler.config.get("prediction_type", default)
    if prediction_type not in _NOISE_ERROR_PER_TARGET_ERROR:
        raise ValueError(
            f"prediction_type={prediction_type!r} of {type(scheduler).__name__}, expected one of "
            f"{', '.join(map(repr, _NOISE_ERROR_PER_TARGET_ERROR))}: derive the weight from priordiff.snr"
        )
    return prediction_type
