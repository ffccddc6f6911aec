"""Any diffusers scheduler under any Gaussian prior, by an affine change of variables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from priordiff.priors import GaussianPrior
from priordiff.schedulers.clamp import ClampInDataSpace
from priordiff.schedulers.noise_scale import PriorNoiseScale
from priordiff.schedulers.spaces import states_to_data, to_data, to_white

__all__ = ["MODEL_SPACES", "PriorSchedulerMixin"]

MODEL_SPACES = ("centered", "data", "white")


class PriorSchedulerMixin:
    r"""Gives the scheduler class that follows it in the bases a prior $N(\mu, \Sigma)$, $\Sigma = L L^\top$.

    With $z = L^{-1}(x - \mu)$ the forward process $x_t = \mu + \sqrt{\bar\alpha_t}(x_0 - \mu) +
    \sqrt{1 - \bar\alpha_t}\,L n$ of PriorGrad (Lee et al., ICLR 2022) is the standard one,
    $z_t = \sqrt{\bar\alpha_t}\,z_0 + \sqrt{1 - \bar\alpha_t}\,n$. So the wrapped scheduler works on $z$ and
    knows nothing of the prior; what goes in is whitened, what comes out is coloured, and the noise that it
    draws inside is coloured with the rest. States $x_t$ are in data space, mean included, at every step.
    Without a prior it is the wrapped scheduler, bit for bit.

    The config entry `model_space` says what the network sees and writes:

    | | input | epsilon | sample | v_prediction, flow_prediction |
    |---|---|---|---|---|
    | `"centered"` (default, PriorGrad) | $x_t - \mu$ | $L n$ | $x_0 - \mu$ | of $L n$ and $x_0 - \mu$ |
    | `"data"` (Grad-TTS) | $x_t$ | $L n$ | $x_0$ | of $L n$ and $x_0$ |
    | `"white"` | $z_t$ | $n$ | $z_0$ | of $n$ and $z_0$ |

    with the wrapped scheduler's scaling of the input, applied to $z_t$.

    Example:
        >>> from diffusers import DDIMScheduler
        >>> from priordiff import DiagonalPrior
        >>> class PriorDDIM(PriorSchedulerMixin, DDIMScheduler):
        ...     pass
        >>> scheduler = PriorDDIM(clip_sample=False)
        >>> scheduler.set_prior(DiagonalPrior(mean=5.0, std=0.1))
        >>> scheduler.set_timesteps(10)
        >>> x = torch.randn(2, 1, 8) * scheduler.init_noise_sigma
        >>> for t in scheduler.timesteps:
        ...     noise = torch.zeros_like(scheduler.scale_model_input(x, t))
        ...     x = scheduler.step(noise, t, x).prev_sample
    """

    config: Any
    _prior: GaussianPrior | None = None
    _prior_of_step: GaussianPrior | None = None
    _plain_init_noise_sigma: float | Tensor = 1.0

    @property
    def prior(self) -> GaussianPrior | None:
        """The prior in use, None for the plain scheduler."""
        return self._prior

    def set_prior(self, prior: GaussianPrior | None) -> None:
        """Sets the prior for the calls that follow; None gives the plain scheduler back.

        Args:
            prior: one Gaussian for every item of the batch, or one for all of them. It belongs to a call, not
                to the configuration: it is not saved.

        Raises:
            ValueError: if it is not a `GaussianPrior`.
        """
        if prior is not None and not isinstance(prior, GaussianPrior):
            raise ValueError(f"prior is a {type(prior).__name__}, expected a priordiff.GaussianPrior or None")
        self._prior = prior

    @property
    def model_space(self) -> str:
        """Space of the network's input and output: "centered", "data" or "white"."""
        space = self.config.get("model_space", "centered")
        if space not in MODEL_SPACES:
            raise ValueError(f"model_space={space!r}, expected one of {', '.join(map(repr, MODEL_SPACES))}")
        return space

    @property
    def init_noise_sigma(self) -> Any:
        r"""What white noise is multiplied by for $x_T \sim N(\mu, \sigma^2\Sigma)$; without a prior, σ."""
        sigma = getattr(super(), "init_noise_sigma", self._plain_init_noise_sigma)
        return sigma if self._prior is None else PriorNoiseScale(sigma, self._prior)

    @init_noise_sigma.setter
    def init_noise_sigma(self, sigma: float | Tensor) -> None:
        self._plain_init_noise_sigma = sigma

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        r"""The forward process, $x_t = \mu + \sqrt{\bar\alpha_t}(x_0 - \mu) + \sqrt{1-\bar\alpha_t}\,L n$.

        Args:
            original_samples: $x_0$ (batch, …), in data space.
            noise: white noise $n$ of the same shape.
            timesteps: training steps (batch,).

        Returns:
            $x_t$, in data space.

        Raises:
            ValueError: if the prior does not fit the sample.
        """
        plain = super().add_noise  # type: ignore[misc]
        if self._prior is None:
            return plain(original_samples, noise, timesteps)
        prior = self._fitting_prior(original_samples)
        return prior.mean + plain(original_samples - prior.mean, prior.color(noise), timesteps)

    def scale_model_input(self, sample: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        r"""What the network sees of a state $x_t$, in the model's space.

        Args:
            sample: $x_t$ (batch, …), in data space.
            *args: what the wrapped scheduler takes: the timestep.
            **kwargs: likewise.

        Raises:
            ValueError: if the prior does not fit the sample.
        """
        plain = super().scale_model_input  # type: ignore[misc]
        if self._prior is None:
            return plain(sample, *args, **kwargs)
        prior = self._fitting_prior(sample)
        if self.model_space == "white":
            return plain(to_white(prior, sample), *args, **kwargs)
        # The plain scaling multiplies by a number, which L lets through: no need to whiten and colour.
        centered = plain(sample - prior.mean, *args, **kwargs)
        return prior.mean + centered if self.model_space == "data" else centered

    def training_target(self, x0: Tensor, white_noise: Tensor, timesteps: Tensor) -> Tensor:
        """What the network has to predict, in the model's space and by the config's prediction type.

        Args:
            x0: data (batch, …).
            white_noise: the white noise given to `add_noise`.
            timesteps: training steps (batch,).

        Raises:
            ValueError: if the prior does not fit the sample, or the prediction type is unknown.
        """
        data_weight, noise_weight = self._target_weights(timesteps, x0)
        if self._prior is None:
            return data_weight * x0 + noise_weight * white_noise
        prior = self._fitting_prior(x0)
        if self.model_space == "white":
            return data_weight * to_white(prior, x0) + noise_weight * white_noise
        signal = x0 if self.model_space == "data" else x0 - prior.mean
        return data_weight * signal + noise_weight * prior.color(white_noise)

    def step(
        self, model_output: Tensor, timestep: int | float | Tensor, sample: Tensor, *args: Any, **kwargs: Any
    ) -> Any:
        r"""One step of the wrapped scheduler, taken on $z_t$; arguments and returns are its own.

        Args:
            model_output: the network's output, in the model's space; channels beyond the sample's (a learned
                variance) are handed on as they are.
            timestep: current timestep.
            sample: $x_t$, in data space.
            *args: further arguments of the wrapped `step`.
            **kwargs: likewise; noise given by the caller (`variance_noise=`) is white.

        Returns:
            The wrapped scheduler's output with every state in data space.

        Raises:
            ValueError: if the prior does not fit the sample.
        """
        plain = super().step  # type: ignore[misc]
        if self._prior is None:
            return plain(model_output, timestep, sample, *args, **kwargs)
        prior = self._fitting_prior(sample)
        white_output = self._whiten_output(prior, model_output, timestep, sample)
        with self._solving(prior, sample):
            result = plain(white_output, timestep, to_white(prior, sample), *args, **kwargs)
        return states_to_data(prior, result, sample.shape)

    def _threshold_sample(self, sample: Tensor) -> Tensor:
        """Dynamic thresholding, in data space."""
        plain = super()._threshold_sample  # type: ignore[misc]
        if self._prior_of_step is None:
            return plain(sample)
        return to_white(self._prior_of_step, plain(to_data(self._prior_of_step, sample)))

    def _fitting_prior(self, sample: Tensor) -> GaussianPrior:
        assert self._prior is not None
        self._prior.require_fit(sample)
        return self._prior

    def _whiten_output(
        self, prior: GaussianPrior, model_output: Tensor, timestep: int | float | Tensor, sample: Tensor
    ) -> Tensor:
        if self.model_space == "white":
            return model_output
        channels = sample.shape[1]
        prediction, rest = model_output[:, :channels], model_output[:, channels:]
        if self.model_space == "data":
            data_weight, _ = self._target_weights(timestep, sample)
            prediction = prediction - data_weight * prior.mean
        white = prior.whiten(prediction)
        return torch.cat([white, rest], dim=1) if rest.shape[1] else white

    def _target_weights(
        self, timesteps: int | float | Tensor, like: Tensor
    ) -> tuple[float | Tensor, float | Tensor]:
        """Weights of data and noise in what the network predicts; a mean shift moves the first."""
        prediction_type = self.config.get("prediction_type", "epsilon")
        if prediction_type == "epsilon":
            return 0.0, 1.0
        if prediction_type == "sample":
            return 1.0, 0.0
        if prediction_type == "flow_prediction":
            return -1.0, 1.0
        if prediction_type == "v_prediction":
            signal, noise = self._signal_and_noise_scale(timesteps, like)
            total = torch.hypot(signal, noise)
            return -noise / total, signal / total
        raise ValueError(
            f"prediction_type={prediction_type!r}, expected 'epsilon', 'sample', 'v_prediction' or "
            "'flow_prediction'"
        )

    def _signal_and_noise_scale(self, timesteps: int | float | Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """How the wrapped scheduler scales data and noise at given timesteps, asked of itself."""
        plain = super().add_noise  # type: ignore[misc]
        timesteps = torch.as_tensor(timesteps, device=like.device).reshape(-1)
        shape = (timesteps.numel(),) + (1,) * (like.dim() - 1)
        one = torch.ones(shape, device=like.device, dtype=torch.promote_types(like.dtype, torch.float32))
        zero = torch.zeros_like(one)
        return (
            plain(one, zero, timesteps).to(like.dtype),
            plain(zero, one, timesteps).to(like.dtype),
        )

    @contextmanager
    def _solving(self, prior: GaussianPrior, sample: Tensor) -> Iterator[None]:
        """While the wrapped solver runs, everything that it calls on itself is the plain scheduler's."""
        clips = not self.config.get("thresholding") and any(
            value is True for key, value in self.config.items() if key.startswith("clip")
        )
        clamp: AbstractContextManager[Any] = ClampInDataSpace(prior, sample.shape) if clips else nullcontext()
        self._prior, self._prior_of_step = None, prior
        try:
            with clamp:
                yield
        finally:
            self._prior, self._prior_of_step = prior, None
