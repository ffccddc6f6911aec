"""Ancestral sampling with few steps, at fractional steps of the training schedule (DDPM and DiffWave)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from diffusers.utils.outputs import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from priordiff.schedulers.noise_levels import align_betas, betas_for_steps, linear_betas

__all__ = ["FractionalDDPMScheduler", "FractionalDDPMSchedulerOutput"]

PREDICTION_TYPES = ("epsilon", "sample", "v_prediction")
VARIANCE_TYPES = ("fixed_small", "fixed_large")


@dataclass
class FractionalDDPMSchedulerOutput(BaseOutput):
    """What `step` returns.

    Args:
        prev_sample: the state after the step, which goes into the next one.
        pred_original_sample: the data that the network's output implies at this step.
    """

    prev_sample: Tensor
    pred_original_sample: Tensor


class FractionalDDPMScheduler(SchedulerMixin, ConfigMixin):  # type: ignore[misc]
    r"""DDPM's ancestral sampler on any short list of betas, aligned to fractional training steps.

    $x \leftarrow (x - \beta_s/\sqrt{1-\bar\alpha_s}\,\epsilon_\theta)/\sqrt{\alpha_s} + \sigma_s n$ with
    $\sigma_s^2 = \beta_s(1-\bar\alpha_{s-1})/(1-\bar\alpha_s)$ or $\sigma_s^2 = \beta_s$, and no noise in
    the last step (Ho et al., 2020, algorithm 2). The betas of sampling may be others than those of training:
    each step is given the fractional training step with the same noise level (DiffWave, Kong et al., ICLR
    2021, appendix C), so the network has to accept fractional steps.

    Args:
        num_train_timesteps: T, length of the training schedule.
        beta_start: first training beta.
        beta_end: last training beta; those between are spaced linearly.
        prediction_type: "epsilon", "sample" or "v_prediction".
        variance_type: the variance $\sigma_s^2$, the first ("fixed_small") or the second ("fixed_large"). The
            first is exact for data that is a single point, the second for data that is N(0, I): the better
            a prior fits, the closer whitened data comes to that, and few steps with "fixed_small" then lose
            loudness.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> scheduler = FractionalDDPMScheduler()
        >>> scheduler.set_timesteps(6)
        >>> scheduler.timesteps.shape, bool(scheduler.timesteps[-1] == 0)
        (torch.Size([6]), True)
    """

    order = 1

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 50,
        beta_start: float = 1e-4,
        beta_end: float = 0.05,
        prediction_type: str = "epsilon",
        variance_type: str = "fixed_small",
    ) -> None:
        if variance_type not in VARIANCE_TYPES:
            raise ValueError(
                f"variance_type={variance_type!r}, expected one of {', '.join(map(repr, VARIANCE_TYPES))}"
            )
        if prediction_type not in PREDICTION_TYPES:
            raise ValueError(
                f"prediction_type={prediction_type!r}, expected one of "
                f"{', '.join(map(repr, PREDICTION_TYPES))}"
            )
        self._train_betas = linear_betas(num_train_timesteps, beta_start, beta_end)
        self.betas = torch.from_numpy(self._train_betas)
        self.alphas = 1 - self.betas
        self.alphas_cumprod = self.alphas.cumprod(0)
        self.init_noise_sigma = 1.0
        self.num_inference_steps: int | None = None
        self._set_inference_betas(self._train_betas)

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: torch.device | str | None = None,
        betas: Sequence[float] | np.ndarray | Tensor | None = None,
    ) -> None:
        r"""Chooses the steps of sampling, by their number or by their betas.

        A number of steps stands for: the whole training schedule if it is `num_train_timesteps`; the
        published lists for 6 and 12 steps of the published training schedule (50 betas from 1e-4 to 0.05);
        otherwise, noise levels evenly spaced in the angle $\arccos\sqrt{\bar\alpha}$ from the first training
        step to the last.

        Args:
            num_inference_steps: from 1 to `num_train_timesteps`.
            device: where `timesteps` will be.
            betas: an increasing list, at most as long as the training schedule, instead of the number.

        Raises:
            ValueError: if neither or both are given, the number is out of range, the list is not increasing
                or leads to a noise level outside training; the message names the offending beta.
        """
        if (num_inference_steps is None) == (betas is None):
            raise ValueError(
                f"num_inference_steps={num_inference_steps} and betas={betas}: give exactly one of the two"
            )
        if betas is not None:
            inference_betas = np.asarray(
                betas.cpu() if isinstance(betas, Tensor) else betas, dtype=np.float64
            )
            if inference_betas.ndim != 1 or inference_betas.size == 0:
                raise ValueError(
                    f"betas has shape {inference_betas.shape}, expected a list of at least one beta"
                )
            if (np.diff(inference_betas) <= 0).any():
                raise ValueError(
                    f"betas={inference_betas.tolist()} is not increasing; sort it, without repetitions"
                )
        else:
            assert num_inference_steps is not None
            inference_betas = betas_for_steps(num_inference_steps, self._train_betas)
        self._set_inference_betas(inference_betas, device)
        self.num_inference_steps = len(inference_betas)

    def scale_model_input(self, sample: Tensor, timestep: float | Tensor | None = None) -> Tensor:
        """The sample itself, as this sampler needs no scaling.

        Args:
            sample: the state.
            timestep: unused; other schedulers need it.
        """
        return sample

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        r"""The forward process, $\sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,n$.

        Between training steps $\sqrt{\bar\alpha}$ is linear, which makes it the inverse of the alignment of
        betas.

        Args:
            original_samples: $x_0$ (batch, …).
            noise: $n$, of the same shape.
            timesteps: training steps (batch,), from 0; whole or fractional.

        Raises:
            ValueError: if a timestep is outside the training schedule.
        """
        signal_scale, noise_scale = self._scales(timesteps, original_samples)
        return signal_scale * original_samples + noise_scale * noise

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        r"""The target of "v_prediction", $\sqrt{\bar\alpha_t}\,n - \sqrt{1-\bar\alpha_t}\,x_0$.

        Args:
            sample: $x_0$ (batch, …).
            noise: $n$, of the same shape.
            timesteps: training steps (batch,), from 0; whole or fractional.
        """
        signal_scale, noise_scale = self._scales(timesteps, sample)
        return signal_scale * noise - noise_scale * sample

    def step(
        self,
        model_output: Tensor,
        timestep: float | Tensor,
        sample: Tensor,
        generator: torch.Generator | list[torch.Generator] | None = None,
        variance_noise: Tensor | None = None,
        return_dict: bool = True,
    ) -> FractionalDDPMSchedulerOutput | tuple[Tensor, Tensor]:
        """One step towards the data.

        Args:
            model_output: the network's prediction at this timestep.
            timestep: one of `timesteps`.
            sample: the current state.
            generator: source of the step's noise, or one for each item of the batch.
            variance_noise: the step's noise, drawn by the caller instead.
            return_dict: False for a plain tuple.

        Raises:
            ValueError: if the timestep is not one of `timesteps`.
        """
        index = self._index(timestep)
        beta, alpha_cumprod = self._inference_betas[index], self._inference_alphas_cumprod[index]
        signal_scale, noise_scale = alpha_cumprod**0.5, (1 - alpha_cumprod) ** 0.5
        prediction_type = self.config["prediction_type"]
        if prediction_type == "epsilon":
            epsilon = model_output
            x0 = (sample - noise_scale * epsilon) / signal_scale
        elif prediction_type == "sample":
            x0 = model_output
            epsilon = (sample - signal_scale * x0) / noise_scale
        else:
            x0 = signal_scale * sample - noise_scale * model_output
            epsilon = signal_scale * model_output + noise_scale * sample

        prev_sample = (sample - beta / noise_scale * epsilon) / (1 - beta) ** 0.5
        if index > 0:
            if variance_noise is None:
                variance_noise = randn_tensor(
                    sample.shape, generator=generator, device=sample.device, dtype=sample.dtype
                )
            variance = beta
            if self.config["variance_type"] == "fixed_small":
                variance *= (1 - self._inference_alphas_cumprod[index - 1]) / (1 - alpha_cumprod)
            prev_sample = prev_sample + variance**0.5 * variance_noise
        if not return_dict:
            return prev_sample, x0
        return FractionalDDPMSchedulerOutput(prev_sample=prev_sample, pred_original_sample=x0)

    def __len__(self) -> int:
        return self.config["num_train_timesteps"]

    def _set_inference_betas(self, betas: np.ndarray, device: torch.device | str | None = None) -> None:
        timesteps = align_betas(betas, self._train_betas)
        self._inference_betas = betas.tolist()
        self._inference_alphas_cumprod = np.cumprod(1 - betas).tolist()
        self.timesteps = torch.from_numpy(timesteps[::-1].astype(np.float32)).to(device)
        self._index_of_timestep = {float(t): index for index, t in enumerate(timesteps.astype(np.float32))}

    def _index(self, timestep: float | Tensor) -> int:
        index = self._index_of_timestep.get(float(timestep))
        if index is None:
            raise ValueError(
                f"timestep={float(timestep):g} is not one of this scheduler's timesteps "
                f"{self.timesteps.tolist()}"
            )
        return index

    def _scales(self, timesteps: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """√ᾱ and √(1−ᾱ) at (fractional) timesteps, with the precision of `like` but float32 at least."""
        signal = self.alphas_cumprod.sqrt()
        drop = signal.diff(append=signal[-1:]).neg()
        dtype = torch.promote_types(like.dtype, torch.float32)
        signal, drop, variance = (
            table.to(dtype=dtype).to(like.device) for table in (signal, drop, 1 - self.alphas_cumprod)
        )
        # Only where looking at the values does not make an accelerator wait.
        if timesteps.device.type == "cpu" and not ((timesteps >= 0) & (timesteps <= len(self) - 1)).all():
            raise ValueError(f"timesteps {timesteps.tolist()} are not all from 0 to {len(self) - 1}")
        timesteps = timesteps.to(like.device).reshape(-1, *[1] * (like.dim() - 1))
        whole = timesteps.floor().long() if timesteps.is_floating_point() else timesteps
        below = (timesteps - whole).to(dtype) * drop[whole]
        # 1 − (√ᾱ_t − below)², without the cancellation that computing it so would bring near t = 0.
        noise_scale = (variance[whole] + below * (2 * signal[whole] - below)).sqrt()
        return (signal[whole] - below).to(like.dtype), noise_scale.to(like.dtype)
