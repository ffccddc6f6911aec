"""What a scheduler's forward process does, and what its network has to predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "forward_process",
    "plain_class_of",
    "prediction_type_of",
    "prediction_weights",
    "signal_and_noise_scale",
]

# Solvers that take what no configuration names; others without a name take epsilon, or the velocity of a flow
# if they have a `scale_noise`.
_FIXED_PREDICTIONS = {
    "CMStochasticIterativeScheduler": "preconditioned",
    "ConsistencyDecoderScheduler": "preconditioned",
    "HeliosDMDScheduler": "flow_prediction",
    "IPNDMScheduler": "v_prediction",
    "KarrasVeScheduler": "negative epsilon",
    "LTXEulerAncestralRFScheduler": "flow_prediction",
    "MiniMaxH3Scheduler": "flow towards the data",
    "RFD4ProteinaScheduler": "flow towards the data",
    "ScoreSdeVeScheduler": "the score",
}

# Weights of data and noise where they are the same at every noise level.
_CONSTANT_WEIGHTS = {
    "epsilon": (0.0, 1.0),
    "sample": (1.0, 0.0),
    "flow_prediction": (-1.0, 1.0),
    "flow towards the data": (1.0, -1.0),
    "negative epsilon": (0.0, -1.0),
}


def plain_class_of(scheduler: Any) -> type:
    """The class of diffusers behind a scheduler with or without a prior."""
    return getattr(scheduler, "plain_class", type(scheduler))


def signal_and_noise_scale(
    scheduler: Any, timesteps: int | float | Sequence[int] | Tensor, like: Tensor
) -> tuple[Tensor, Tensor]:
    r"""The scales $(a_t, s_t)$ of a scheduler's forward process $z_t = a_t z_0 + s_t n$, asked of itself.

    Under a prior they are those of the white $z$, hence the plain scheduler's: whatever the prior, the
    signal-to-noise ratio is $a_t^2 / s_t^2$.

    Args:
        scheduler: any scheduler of diffusers, with or without a prior.
        timesteps: training steps, or inference steps after `set_timesteps`; one or (batch,).
        like: data whose device, dtype and number of dimensions the scales get.

    Returns:
        Two tensors (batch, 1, …) that broadcast to the data.

    Raises:
        NotImplementedError: if the scheduler has no forward process.

    Example:
        >>> from diffusers import DDPMScheduler
        >>> signal, noise = signal_and_noise_scale(DDPMScheduler(), 999, torch.zeros(1, 3, 8, 8))
        >>> signal.shape, bool((signal.square() + noise.square() - 1).abs() < 1e-6)
        (torch.Size([1, 1, 1, 1]), True)
    """
    timesteps = torch.as_tensor(timesteps, device=like.device).reshape(-1)
    shape = (timesteps.numel(),) + (1,) * (like.dim() - 1)
    one = torch.ones(shape, device=like.device, dtype=torch.promote_types(like.dtype, torch.float32))
    zero = torch.zeros_like(one)
    signal, noise = (
        forward_process(scheduler, one, zero, timesteps),
        forward_process(scheduler, zero, one, timesteps),
    )
    return signal.to(like.dtype), noise.to(like.dtype)


def prediction_weights(
    scheduler: Any, timesteps: int | float | Sequence[int] | Tensor, like: Tensor
) -> tuple[float | Tensor, float | Tensor]:
    r"""Weights of data and noise in what the network of a scheduler predicts at given timesteps.

    Epsilon is (0, 1), a sample (1, 0), a flow's velocity (−1, 1), v $(-s_t, a_t)/\sqrt{a_t^2 + s_t^2}$
    (Salimans and Ho, ICLR 2022), v of TrigFlow $(-\sin t, \sigma_d \cos t)$ (Lu and Song, ICLR 2025), a score
    $(0, -1/s_t)$, and the output $F$ of a preconditioned network, $z_0 = c_{skip} z_t + c_{out} F$
    (Karras et al., NeurIPS 2022, eq. 7), $((1 - c_{skip} a_t), -c_{skip} s_t) / c_{out}$.

    Args:
        scheduler: any scheduler of diffusers, with or without a prior.
        timesteps: one or (batch,).
        like: data whose device, dtype and number of dimensions the weights get.

    Raises:
        ValueError: if the prediction type is unknown.
    """
    preconditioning = _preconditioning(scheduler, timesteps, like)
    if preconditioning is not None:
        skip, out = preconditioning
        signal, noise = signal_and_noise_scale(scheduler, timesteps, like)
        return (1 - skip * signal) / out, -skip * noise / out
    prediction = prediction_type_of(scheduler)
    if prediction in _CONSTANT_WEIGHTS:
        return _CONSTANT_WEIGHTS[prediction]
    if prediction not in ("v_prediction", "trigflow", "the score"):
        raise ValueError(
            f"prediction_type={prediction!r} of {plain_class_of(scheduler).__name__}, expected 'epsilon', "
            "'sample', 'v_prediction' or 'flow_prediction'"
        )
    signal, noise = signal_and_noise_scale(scheduler, timesteps, like)
    if prediction == "the score":
        return 0.0, -1 / noise
    if prediction == "trigflow":
        sigma_data = scheduler.config["sigma_data"]
        return -noise / sigma_data, sigma_data * signal
    total = torch.hypot(signal, noise)
    return -noise / total, signal / total


def prediction_type_of(scheduler: Any) -> str:
    """What the network of a scheduler predicts, in its configuration's word or one of ours."""
    plain = plain_class_of(scheduler)
    unnamed = "flow_prediction" if hasattr(plain, "scale_noise") else "epsilon"
    return _FIXED_PREDICTIONS.get(plain.__name__) or scheduler.config.get("prediction_type", unnamed)


def forward_process(scheduler: Any, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """A scheduler's own forward process as if it had no prior, whatever form it has there.

    Args:
        scheduler: any scheduler of diffusers, with or without a prior.
        original_samples: $z_0$ (batch, …).
        noise: white noise.
        timesteps: training steps (batch,).

    Raises:
        NotImplementedError: if the scheduler has none.
    """
    plain = plain_class_of(scheduler)
    if hasattr(plain, "add_noise"):
        try:
            return plain.add_noise(scheduler, original_samples, noise, timesteps)
        except NotImplementedError:  # a solver for sampling alone; its tables may still tell
            pass
    if hasattr(plain, "scale_noise"):
        return plain.scale_noise(scheduler, original_samples, timesteps, noise)
    signal, scale = _tabulated_scales(scheduler, timesteps)
    shape = (-1,) + (1,) * (noise.dim() - 1)
    return signal.to(noise).reshape(shape) * original_samples + scale.to(noise).reshape(shape) * noise


def _tabulated_scales(scheduler: Any, timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """Signal and noise from the tables of a solver that has no method for its forward process."""
    if scheduler.config.get("prediction_type") == "trigflow":
        return timesteps.cos(), timesteps.sin() * scheduler.config["sigma_data"]
    if hasattr(scheduler, "alphas_cumprod"):
        levels = scheduler.alphas_cumprod.to(timesteps.device)[timesteps.long()]
        return levels.sqrt(), (1 - levels).sqrt()
    if hasattr(scheduler, "sqrt_alphas_cumprod"):
        index = timesteps.long()
        return (
            scheduler.sqrt_alphas_cumprod.to(timesteps.device)[index],
            scheduler.sqrt_one_minus_alphas_cumprod.to(timesteps.device)[index],
        )
    table = getattr(scheduler, "timesteps", None)
    if isinstance(table, Tensor) and isinstance(getattr(scheduler, "sigmas", None), Tensor):
        index = (timesteps[:, None] - table.to(timesteps)).abs().argmin(1)
        sigmas = scheduler.sigmas.to(timesteps.device)[index]
        return 1 - sigmas, sigmas
    if isinstance(table, Tensor) and isinstance(getattr(scheduler, "alphas", None), Tensor):
        index = (timesteps[:, None] - table.to(timesteps)).abs().argmin(1)
        return scheduler.alphas.to(timesteps.device)[index], scheduler.betas.to(timesteps.device)[index]
    raise NotImplementedError(
        f"{plain_class_of(scheduler).__name__} has no forward process: add noise with the scheduler that its "
        "model was trained with"
    )


def _preconditioning(
    scheduler: Any, timesteps: int | float | Sequence[int] | Tensor, like: Tensor
) -> tuple[Tensor, Tensor] | None:
    """c_skip and c_out of a network's preconditioning, None if it has none."""
    plain = plain_class_of(scheduler)
    shape = (-1,) + (1,) * (like.dim() - 1)
    if hasattr(scheduler, "c_skip"):
        index = torch.as_tensor(timesteps).reshape(-1).long()
        skip, out = scheduler.c_skip.to(index.device)[index], scheduler.c_out.to(index.device)[index]
    elif hasattr(plain, "precondition_outputs"):
        _, sigma = signal_and_noise_scale(scheduler, timesteps, like)
        one, zero = torch.ones_like(sigma), torch.zeros_like(sigma)
        skip = plain.precondition_outputs(scheduler, one, zero, sigma)
        out = plain.precondition_outputs(scheduler, zero, one, sigma)
    elif hasattr(plain, "get_scalings_for_boundary_condition"):
        _, sigma = signal_and_noise_scale(scheduler, timesteps, like)
        skip, out = plain.get_scalings_for_boundary_condition(scheduler, sigma)
    else:
        return None
    return skip.to(like).reshape(shape), out.to(like).reshape(shape)
