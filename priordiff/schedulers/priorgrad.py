"""The sampler of PriorGrad."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler, DDPMSchedulerOutput
from torch import Tensor

from priordiff.schedulers.affine import PriorSchedulerMixin
from priordiff.schedulers.fractional_ddpm import FractionalDDPMScheduler
from priordiff.schedulers.wrapping import check_model_space

__all__ = ["PriorGradScheduler"]

_OF_DDPM = tuple(inspect.signature(DDPMScheduler.__init__).parameters)[1:]
# fixed_large_log is left out: the step of DDPM takes the root of that logarithm, which is NaN.
_CHOICES = {
    "prediction_type": ("epsilon", "sample", "v_prediction"),
    "variance_type": ("fixed_small", "fixed_small_log", "fixed_large", "learned", "learned_range"),
    "timestep_spacing": ("angle", "leading", "linspace", "trailing"),
}


class PriorFractionalDDPMScheduler(PriorSchedulerMixin, FractionalDDPMScheduler):  # type: ignore[misc]
    """`FractionalDDPMScheduler` under any Gaussian prior."""


class PriorGradScheduler(PriorFractionalDDPMScheduler):
    r"""The paper's own sampler: DDPM's, from $N(\mu, \Sigma)$ and with the prior's noise in every step.

    $\tilde x \leftarrow (\tilde x - \beta_t/\sqrt{1-\bar\alpha_t}\,\epsilon_\theta(\tilde x,
    t))/\sqrt{\alpha_t} + \sigma_t \epsilon$, $\epsilon \sim N(0, \Sigma)$, for $\tilde x = x - \mu$ (Lee et
    al., ICLR 2022, algorithm 2). With few steps the noise levels are aligned to fractional training steps, as
    in DiffWave; see `set_timesteps`.

    It is a `diffusers.DDPMScheduler`, and takes the place of a pipeline's scheduler by
    `PriorGradScheduler.from_config(pipe.scheduler.config)`, with the noise levels and all else that the old
    one had. Its own defaults are the published vocoder's: 50 training steps, no clipping, fractional steps.

    Args:
        num_train_timesteps: T, length of the training schedule.
        beta_start: first training beta.
        beta_end: last training beta.
        prediction_type: "epsilon", "sample" or "v_prediction".
        variance_type: variance $\sigma_t^2$ of a step's noise: "fixed_small" (the paper),
            $\beta_t(1-\bar\alpha_{t-1})/(1-\bar\alpha_t)$, exact if the data given the conditioning is a
            single point; "fixed_large", $\beta_t$, exact if it is $N(\mu, \Sigma)$: for priors that fit well,
            with which few steps of the former lose loudness; "learned" or "learned_range", from the network.
        clip_prev_sample: the state $x_t$, in data space, is clamped to [−value, value] after each step; the
            published vocoder uses 1.0. None: no clamp.
        model_space: what the network sees and writes: "centered" (the paper), "data" or "white".
        beta_schedule: how the betas go from first to last, as in DDPM: "linear", "scaled_linear", ….
        trained_betas: all training betas, instead.
        clip_sample: whether the estimate of $x_0$ is clamped in each step, in data space.
        thresholding: whether it is thresholded dynamically, instead.
        dynamic_thresholding_ratio: the quantile at which.
        clip_sample_range: the range of the clamp.
        sample_max_value: the most that is thresholded at.
        timestep_spacing: "angle" for fractional steps evenly spaced in noise level, or one of DDPM's for
            whole training steps: "leading", "linspace", "trailing".
        steps_offset: added to the timesteps with "leading".
        rescale_betas_zero_snr: whether the last training step is pure noise.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> from priordiff import DiagonalPrior
        >>> scheduler = PriorGradScheduler()
        >>> scheduler.set_prior(DiagonalPrior(mean=0.0, std=0.1))
        >>> scheduler.set_timesteps(6)
        >>> x = torch.randn(1, 1, 16) * scheduler.init_noise_sigma
        >>> for t in scheduler.timesteps:
        ...     predicted_noise = 0.5 * scheduler.scale_model_input(x, t)  # a network's output
        ...     x = scheduler.step(predicted_noise, t, x).prev_sample
        >>> from diffusers import DDIMScheduler
        >>> len(PriorGradScheduler.from_config(DDIMScheduler(beta_schedule="scaled_linear").config))
        1000
    """

    __module__ = "priordiff"  # where DiffusionPipeline.from_pretrained looks for the class

    kept_from_configurations: ClassVar[tuple[str, ...]] = _OF_DDPM

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 50,
        beta_start: float = 1e-4,
        beta_end: float = 0.05,
        prediction_type: str = "epsilon",
        variance_type: str = "fixed_small",
        clip_prev_sample: float | None = None,
        model_space: str = "centered",
        beta_schedule: str = "linear",
        trained_betas: Sequence[float] | np.ndarray | None = None,
        clip_sample: bool = False,
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        clip_sample_range: float = 1.0,
        sample_max_value: float = 1.0,
        timestep_spacing: str = "angle",
        steps_offset: int = 0,
        rescale_betas_zero_snr: bool = False,
    ) -> None:
        if clip_prev_sample is not None and not clip_prev_sample > 0:
            raise ValueError(f"clip_prev_sample={clip_prev_sample}, expected a positive number or None")
        check_model_space(model_space)
        for name, choices in _CHOICES.items():
            if self.config[name] not in choices:
                raise ValueError(
                    f"{name}={self.config[name]!r}, expected one of {', '.join(map(repr, choices))}"
                )
        if trained_betas is not None:
            betas = np.asarray(trained_betas, dtype=np.float64)
            if not ((betas > 0) & (betas <= 1)).all():
                raise ValueError(f"trained_betas={betas.tolist()}, expected numbers in (0, 1]")
            num_train_timesteps = len(betas)
        elif not 0 < beta_start <= beta_end < 1:
            raise ValueError(
                f"beta_start={beta_start} and beta_end={beta_end}, expected 0 < beta_start <= beta_end < 1"
            )
        if num_train_timesteps < 1:
            raise ValueError(f"num_train_timesteps={num_train_timesteps}, expected at least 1")
        self.register_to_config(num_train_timesteps=num_train_timesteps)
        super().__init__(**{name: self.config[name] for name in _OF_DDPM})
        if timestep_spacing == "angle":
            self.set_timesteps(num_train_timesteps)
        # diffusers hands on to other classes what is not listed here: all but what they do not know.
        own = {"clip_prev_sample": None, "model_space": "centered", "timestep_spacing": "angle"}
        unchanged = [name for name, default in own.items() if self.config[name] == default]
        self.register_to_config(_use_default_values=unchanged)

    def step(
        self,
        model_output: Tensor,
        timestep: int | float | Tensor,
        sample: Tensor,
        generator: torch.Generator | list[torch.Generator] | None = None,
        return_dict: bool = True,
        variance_noise: Tensor | None = None,
    ) -> DDPMSchedulerOutput | tuple[Any, ...]:
        """One step towards the data: `FractionalDDPMScheduler.step`, with every state in data space.

        Args:
            model_output: the network's prediction, in the model's space.
            timestep: one of `timesteps`.
            sample: $x_t$, in data space.
            generator: source of the step's noise, or one for each item of the batch.
            return_dict: False for a plain tuple.
            variance_noise: the step's white noise, drawn by the caller instead.

        Raises:
            ValueError: if the timestep is not one of `timesteps`, or the prior does not fit the sample.
        """
        output = super().step(
            model_output, timestep, sample, generator=generator, variance_noise=variance_noise
        )
        limit = self.config["clip_prev_sample"]
        if limit is not None:
            output.prev_sample = output.prev_sample.clamp(-limit, limit)
        return output if return_dict else output.to_tuple()


__test__ = {"PriorGradScheduler": PriorGradScheduler}  # doctest takes it for another module's class
