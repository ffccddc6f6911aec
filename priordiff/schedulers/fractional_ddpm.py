"""Ancestral sampling with few steps, at fractional steps of the training schedule (DDPM and DiffWave)."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler, DDPMSchedulerOutput
from torch import Tensor

from priordiff.schedulers.noise_levels import align_betas, betas_for_steps

__all__ = ["FractionalDDPMScheduler"]


class FractionalDDPMScheduler(DDPMScheduler):  # type: ignore[misc]
    r"""The DDPM of diffusers, which samples on any short list of betas, too.

    The betas of sampling may be others than those of training: each step is given the fractional training
    step with the same noise level (DiffWave, Kong et al., ICLR 2021, appendix C), so the network has to
    accept fractional steps. Such a list is a schedule of its own, and DDPM's step (Ho et al., 2020, algorithm
    2) is taken on it: $x \leftarrow (x - \beta_s/\sqrt{1-\bar\alpha_s}\,\epsilon_\theta)/\sqrt{\alpha_s} +
    \sigma_s n$. Between training steps $\sqrt{\bar\alpha}$ is linear.

    The arguments are those of `diffusers.DDPMScheduler`, with one more value of `timestep_spacing`: "angle",
    for noise levels that are spaced evenly in $\arccos\sqrt{\bar\alpha}$.

    Example:
        >>> scheduler = FractionalDDPMScheduler(num_train_timesteps=50, beta_end=0.05)
        >>> scheduler.set_timesteps(betas=[1e-4, 0.01, 0.5])
        >>> scheduler.timesteps.shape, bool(scheduler.timesteps[-1] == 0)
        (torch.Size([3]), True)
    """

    __module__ = "priordiff"  # where DiffusionPipeline.from_pretrained looks for the class

    alphas_cumprod: Tensor
    num_inference_steps: int | None
    _list_levels: Tensor | None = None  # ᾱ of the list that is sampled on; None for whole training steps
    _mutes_noise = False
    _variance: Tensor | None = None

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: torch.device | str | None = None,
        timesteps: Sequence[int] | None = None,
        betas: Sequence[float] | np.ndarray | Tensor | None = None,
    ) -> None:
        r"""Chooses the steps of sampling: by their number, as training steps, or by their betas.

        With the timestep spacing "angle" a number of steps stands for: all training steps if it is that of
        training; the published lists for 6 and 12 steps of the published training schedule (50 betas from
        1e-4 to 0.05); otherwise noise levels evenly spaced in the angle $\arccos\sqrt{\bar\alpha}$ from the
        first training step to the last. With another spacing it means what it does in DDPM.

        Args:
            num_inference_steps: from 1 to `num_train_timesteps`.
            device: where `timesteps` will be.
            timesteps: a decreasing list of training steps instead of the number.
            betas: an increasing list, at most as long as the training schedule, instead of the number.

        Raises:
            ValueError: if not exactly one of them is given, the number is out of range, or a list is not
                monotonic or leads outside training; the message names the offending beta.
        """
        if sum(each is not None for each in (num_inference_steps, timesteps, betas)) != 1:
            raise ValueError(
                f"num_inference_steps={num_inference_steps}, timesteps={timesteps} and betas={betas}: give "
                "exactly one of the three"
            )
        if num_inference_steps is not None and not 1 <= num_inference_steps <= len(self.betas):
            raise ValueError(
                f"num_inference_steps={num_inference_steps}, expected 1 to num_train_timesteps="
                f"{len(self.betas)}"
            )
        if betas is None and (timesteps is not None or self.config["timestep_spacing"] != "angle"):
            self._list_levels = None
            super().set_timesteps(num_inference_steps, device, timesteps)
            return
        train_betas = self._train_betas()
        if num_inference_steps == len(train_betas):
            places, self._list_levels = np.arange(num_inference_steps), self.alphas_cumprod
        else:
            if num_inference_steps is not None:
                chosen = betas_for_steps(num_inference_steps, train_betas)
            else:
                chosen = _increasing(betas)
            places = align_betas(chosen, train_betas)
            self._list_levels = torch.from_numpy(np.cumprod(1 - chosen))
        self.num_inference_steps = len(places)
        self.timesteps = torch.from_numpy(places[::-1].astype(np.float32)).to(device)

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        scales = self._fractional_scales(timesteps, original_samples)
        if scales is None:
            return super().add_noise(original_samples, noise, timesteps)
        return scales[0] * original_samples + scales[1] * noise

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        scales = self._fractional_scales(timesteps, sample)
        if scales is None:
            return super().get_velocity(sample, noise, timesteps)
        return scales[0] * noise - scales[1] * sample

    def step(
        self,
        model_output: Tensor,
        timestep: int | float | Tensor,
        sample: Tensor,
        generator: torch.Generator | list[torch.Generator] | None = None,
        return_dict: bool = True,
        variance_noise: Tensor | None = None,
    ) -> DDPMSchedulerOutput | tuple[Tensor, Tensor]:
        """DDPM's step, on the list of betas if there is one.

        Args:
            model_output: the network's prediction at this timestep.
            timestep: one of `timesteps`.
            sample: the current state.
            generator: source of the step's noise, or one for each item of the batch.
            return_dict: False for a plain tuple.
            variance_noise: the step's noise, drawn by the caller instead.

        Raises:
            ValueError: if the timestep is not one of `timesteps`.
        """
        solver, place = copy.copy(self), timestep
        if self._list_levels is not None:
            in_float64 = sample.dtype == torch.float64
            solver.alphas_cumprod = self._exact(self._list_levels) if in_float64 else self._list_levels
            solver.num_inference_steps, solver.custom_timesteps = None, False  # of a list no step is left out
            place = self._place(timestep)
        solver._mutes_noise = variance_noise is not None
        if solver._mutes_noise:
            generator = torch.Generator()  # what is drawn counts nothing, and no one else's generator moves
        output = DDPMScheduler.step(solver, model_output, place, sample, generator)
        if variance_noise is not None and solver._variance is not None:
            output.prev_sample = output.prev_sample + solver._standard_deviation() * variance_noise
        return output if return_dict else output.to_tuple()

    def _get_variance(
        self, t: int, predicted_variance: Tensor | None = None, variance_type: str | None = None
    ) -> Tensor:
        """DDPM's variance; as good as none for noise that is drawn where the caller gives another."""
        variance = super()._get_variance(t, predicted_variance, variance_type)
        if not self._mutes_noise:
            return variance
        self._variance = variance
        return torch.full_like(variance, -math.inf if self.variance_type == "learned_range" else 0.0)

    def _standard_deviation(self) -> Tensor:
        """What DDPM's step makes of a variance, which is a logarithm or a root for some types."""
        assert self._variance is not None
        if self.variance_type == "learned_range":
            return torch.exp(0.5 * self._variance)
        return self._variance if self.variance_type == "fixed_small_log" else self._variance**0.5

    def _fractional_scales(self, timesteps: Tensor, like: Tensor) -> tuple[Tensor, Tensor] | None:
        """Scales of signal and noise; None for whole steps, for which DDPM's own table is exact enough."""
        last = len(self.betas) - 1
        # Only where looking at the values does not make an accelerator wait.
        if timesteps.device.type == "cpu" and not ((timesteps >= 0) & (timesteps <= last)).all():
            raise ValueError(f"timesteps {timesteps.tolist()} are not all from 0 to {last}")
        if not timesteps.is_floating_point() and (self._list_levels is None or like.dtype != torch.float64):
            return None
        dtype = torch.promote_types(like.dtype, torch.float32)
        table = self._exact(self.alphas_cumprod).sqrt().to(dtype).to(timesteps.device)
        whole = timesteps.long()
        drop = table.diff(append=table[-1:]).neg()
        signal = (table[whole] - (timesteps - whole) * drop[whole]).reshape(-1, *[1] * (like.dim() - 1))
        return signal.to(like), (1 - signal.square()).sqrt().to(like)

    def _exact(self, levels: Tensor) -> Tensor:
        """Noise levels in float64; those of training are DDPM's own table, which is float32."""
        exact = levels.dtype == torch.float64
        return levels if exact else torch.from_numpy(np.cumprod(1 - self._train_betas()))

    def _train_betas(self) -> np.ndarray:
        """The betas of training, in float64 from the beginning where they are the paper's."""
        config = self.config
        if config["beta_schedule"] == "linear":
            betas = np.linspace(config["beta_start"], config["beta_end"], config["num_train_timesteps"])
            if config["trained_betas"] is None and not config["rescale_betas_zero_snr"]:
                return betas
        return self.betas.double().numpy(force=True)

    def _place(self, timestep: int | float | Tensor) -> int:
        found = (self.timesteps == float(timestep)).nonzero().flatten()
        if not len(found):
            raise ValueError(
                f"timestep={float(timestep):g} is not one of this scheduler's timesteps "
                f"{self.timesteps.tolist()}"
            )
        return len(self.timesteps) - 1 - int(found[0])


def _increasing(betas: Sequence[float] | np.ndarray | Tensor | None) -> np.ndarray:
    values = np.asarray(betas.cpu() if isinstance(betas, Tensor) else betas, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"betas has shape {values.shape}, expected a list of at least one beta")
    if (np.diff(values) <= 0).any():
        raise ValueError(f"betas={values.tolist()} is not increasing; sort it, without repetitions")
    return values


__test__ = {"FractionalDDPMScheduler": FractionalDDPMScheduler}  # doctest takes it for another module's class
