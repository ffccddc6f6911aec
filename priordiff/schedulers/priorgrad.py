"""The sampler of PriorGrad."""

from __future__ import annotations

import torch
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from priordiff.schedulers.affine import PriorSchedulerMixin
from priordiff.schedulers.fractional_ddpm import FractionalDDPMScheduler, FractionalDDPMSchedulerOutput
from priordiff.schedulers.wrapping import check_model_space

__all__ = ["PriorGradScheduler"]


class PriorGradScheduler(PriorSchedulerMixin, FractionalDDPMScheduler):  # type: ignore[misc]
    r"""The paper's own sampler: DDPM's, from $N(\mu, \Sigma)$ and with the prior's noise in every step.

    $\tilde x \leftarrow (\tilde x - \beta_t/\sqrt{1-\bar\alpha_t}\,\epsilon_\theta(\tilde x,
    t))/\sqrt{\alpha_t} + \sigma_t \epsilon$, $\epsilon \sim N(0, \Sigma)$, for $\tilde x = x - \mu$ (Lee et
    al., ICLR 2022, algorithm 2). With few steps the noise levels are aligned to fractional training steps, as
    in DiffWave; see `set_timesteps`.

    Args:
        num_train_timesteps: T, length of the training schedule; the published vocoder's by default.
        beta_start: first training beta.
        beta_end: last training beta; those between are spaced linearly.
        prediction_type: "epsilon", "sample" or "v_prediction".
        variance_type: variance $\sigma_t^2$ of a step's noise: "fixed_small" (the paper), exact if the data
            given the conditioning is a single point, or "fixed_large", exact if it is $N(\mu, \Sigma)$: for
            priors that fit well.
        clip_prev_sample: the state $x_t$, in data space, is clamped to [−value, value] after each step; the
            published vocoder uses 1.0. None: no clamp.
        model_space: what the network sees and writes: "centered" (the paper), "data" or "white".

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
    """

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
    ) -> None:
        if clip_prev_sample is not None and not clip_prev_sample > 0:
            raise ValueError(f"clip_prev_sample={clip_prev_sample}, expected a positive number or None")
        check_model_space(model_space)
        super().__init__(num_train_timesteps, beta_start, beta_end, prediction_type, variance_type)

    def step(
        self,
        model_output: Tensor,
        timestep: float | Tensor,
        sample: Tensor,
        generator: torch.Generator | list[torch.Generator] | None = None,
        variance_noise: Tensor | None = None,
        return_dict: bool = True,
    ) -> FractionalDDPMSchedulerOutput | tuple[Tensor, Tensor]:
        r"""One step towards the data.

        Args:
            model_output: the network's prediction, in the model's space.
            timestep: one of `timesteps`.
            sample: $x_t$, in data space.
            generator: source of the step's noise, or one for each item of the batch.
            variance_noise: the step's white noise, drawn by the caller instead.
            return_dict: False for a plain tuple.

        Returns:
            The next state and the predicted data, both in data space.

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
