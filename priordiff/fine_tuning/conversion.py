"""What a network that was trained with N(0, I) is shown, and what it says, of a state under a prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from priordiff.fine_tuning.process import Level, TrainedProcess
from priordiff.priors import GaussianPrior
from priordiff.schedulers.step_scales import scales_of_step

__all__ = ["Conversion", "conversion", "isotropic_std"]


def isotropic_std(prior: GaussianPrior, sample: Tensor) -> Tensor:
    r"""The standard deviation $\sigma = (\det\Sigma)^{1/2D}$ of the isotropic noise in place of a prior's.

    It is the geometric mean over the axes of $\Sigma$, and σ itself where $\Sigma = \sigma^2 I$. The padding
    of a batch counts as what it is to the prior, N(0, 1).

    Args:
        prior: N(μ, Σ).
        sample: data of its shape, for the number of dimensions D of an event.

    Returns:
        σ of each Gaussian (batch,), with gradients to the prior's parameters.

    Example:
        >>> from priordiff import DiagonalPrior
        >>> isotropic_std(DiagonalPrior(0.0, torch.tensor([[0.5, 2.0]])), torch.zeros(1, 2))
        tensor([1.])
    """
    event_shape = sample.shape[1:]
    return (prior.log_det(event_shape) / (2 * math.prod(event_shape))).exp()


@dataclass(frozen=True)
class Conversion:
    r"""One call of a network, between a scheduler's space and the isotropic diffusion of its training.

    Every number is one for each item, and broadcasts to the data. $u$ is what the network is shown, $o$ what
    it says of it.

    Args:
        prior: that of the scheduler, as it fits the states; None for N(0, I).
        model_space: the scheduler's.
        timesteps: at which the network is called (batch,), fractional.
        input_gain: of $x_t - \mu$, as scaled by the scheduler, in $u$.
        mean_gain: of μ in $u$.
        output_gain: of $o$ in the prediction.
        skip_gain: of $u$ in the prediction.
        data_weight: of $x_0$ in the prediction.
    """

    prior: GaussianPrior | None
    model_space: str
    timesteps: Tensor
    input_gain: Tensor
    mean_gain: Tensor
    output_gain: Tensor
    skip_gain: Tensor
    data_weight: Tensor

    def input(self, seen: Tensor) -> Tensor:
        """What the network is shown.

        Args:
            seen: what `scale_model_input` returned (batch, …).
        """
        if self.prior is None:
            return self.input_gain * seen
        if self.model_space == "white":
            seen = self.prior.color(seen)
        elif self.model_space == "data":
            seen = seen - self.prior.mean
        return self.input_gain * seen + self.mean_gain * self.prior.mean

    def prediction(self, output: Tensor, shown: Tensor) -> Tensor:
        """What the scheduler expects: an estimate of its `training_target`.

        Args:
            output: of the network (batch, …).
            shown: `input`, of which it is the output.
        """
        prediction = self.output_gain * output + self.skip_gain * shown
        if self.prior is None or self.model_space == "data":
            return prediction
        centered = prediction - self.data_weight * self.prior.mean
        return self.prior.whiten(centered) if self.model_space == "white" else centered


def conversion(scheduler: Any, process: TrainedProcess, timesteps: Any, seen: Tensor) -> Conversion:
    r"""How a network is called for a state of a scheduler under its prior.

    With $x_t = \mu + a_t(x_0 - \mu) + s_t L n$ the difference $x_t - (1 - a_t)\mu = a_t x_0 + s_t L n$ is,
    for $\Sigma = \sigma^2 I$ and but for a factor, the state of the isotropic diffusion with the ratio
    $\sigma s_t / a_t$ of noise to signal. What the network says there is an estimate of $x_0$ and $L n$, and
    these are all that any prediction is made of. Another Σ is treated as if it were that of `isotropic_std`.

    Args:
        scheduler: with a prior, or without one, which is N(0, I).
        process: that of the network's training.
        timesteps: of the scheduler: one, or one for each item.
        seen: what its `scale_model_input` returned (batch, …).
    """
    # Noise levels are told apart in double precision, where the device has it.
    dtype = torch.float32 if seen.device.type == "mps" else torch.float64
    scales = scales_of_step(scheduler, timesteps, torch.zeros(1, 1, device=seen.device, dtype=dtype))
    numbers = [torch.as_tensor(each, device=seen.device, dtype=dtype).reshape(-1) for each in scales]
    a, s, data_weight, noise_weight, input_scale = (each.expand(len(seen)) for each in numbers)
    prior = scheduler.prior_for(seen)
    std = torch.ones_like(a)
    if prior is not None:
        own = isotropic_std(scheduler.prior.to(dtype), seen)
        std = own.repeat(len(seen) // len(own))
    level = process.at(a, std * s)
    gain = torch.hypot(level.signal, level.noise) / torch.hypot(a, std * s)
    (x0_of_output, x0_of_shown), (noise_of_output, noise_of_shown) = _estimates(
        process, level, a, s, std, gain
    )
    # What stays where it was keeps its scheduler's number, which may be rounded or interpolated otherwise.
    given = torch.as_tensor(timesteps, device=seen.device).to(dtype).reshape(-1)
    stays = (std == 1) & ((given - level.timestep).abs() < 1)

    def broadcast(number: Tensor) -> Tensor:
        return number.to(seen.dtype).reshape(-1, *[1] * (seen.dim() - 1))

    return Conversion(
        prior,
        scheduler.model_space,
        torch.where(stays, given, level.timestep),
        broadcast(gain / input_scale),
        broadcast(gain * a),
        broadcast(data_weight * x0_of_output + noise_weight * noise_of_output),
        broadcast(data_weight * x0_of_shown + noise_weight * noise_of_shown),
        broadcast(data_weight),
    )


def _estimates(
    process: TrainedProcess, level: Level, a: Tensor, s: Tensor, std: Tensor, gain: Tensor
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    r"""$x_0$ and $L n$ in terms of the network's output and of what it was shown.

    They solve $d x_0 + e n = o$, $\alpha x_0 + \varsigma n = u$. Where the level is one of the training, so
    that $a x_0 + s L n = u / g$ with $L n = \sigma n$ holds by itself; elsewhere it decides one of the two.

    Where both say the same, as of a network that predicts the noise and is shown nothing but noise, the other
    one remains unknown, and is estimated as 0.
    """
    data_weight, noise_weight = process.weights(level.signal, level.noise)
    determinant = data_weight * level.noise - noise_weight * level.signal
    solvable = determinant != 0
    divisor = torch.where(solvable, determinant, 1.0)
    x0 = (
        torch.where(solvable, level.noise / divisor, data_weight),
        torch.where(solvable, -noise_weight / divisor, 0.0),
    )
    noise = (
        std * torch.where(solvable, -level.signal / divisor, noise_weight),
        std * torch.where(solvable, data_weight / divisor, 0.0),
    )
    # Divided by where they are not 0: elsewhere the gradient of what is not chosen would be NaN.
    signal_before, noise_behind = torch.where(level.too_clean, a, 1.0), torch.where(level.too_noisy, s, 1.0)
    # Beyond the first step its noise is to be believed, only less of it; beyond the last its data.
    return (
        (
            torch.where(level.too_clean, -s * noise[0] / signal_before, x0[0]),
            torch.where(level.too_clean, (1 / gain - s * noise[1]) / signal_before, x0[1]),
        ),
        (
            torch.where(level.too_noisy, -a * x0[0] / noise_behind, noise[0]),
            torch.where(level.too_noisy, (1 / gain - a * x0[1]) / noise_behind, noise[1]),
        ),
    )
