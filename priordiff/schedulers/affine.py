"""Any diffusers scheduler under any Gaussian prior, by an affine change of variables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from priordiff.priors import GaussianPrior
from priordiff.schedulers.data_space import ClampInDataSpace, MaskInDataSpace
from priordiff.schedulers.noise_scale import PriorNoiseScale
from priordiff.schedulers.predictions import forward_process, prediction_weights
from priordiff.schedulers.spaces import DIRECTIONS, PREDICTIONS, STATES, WHITE_NOISE, result_to_data
from priordiff.schedulers.wrapping import check_model_space, delegate, init_with_model_space, signature_of

__all__ = ["PriorSchedulerMixin"]


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

    with the wrapped scheduler's scaling of the input, applied to $z_t$. A network that models the score
    writes $\Sigma \nabla \log p$ in the first two, in the units of the data.

    Example:
        >>> from diffusers import DDIMScheduler
        >>> from priordiff import DiagonalPrior
        >>> class PriorDDIM(PriorSchedulerMixin, DDIMScheduler):
        ...     pass
        >>> scheduler = PriorDDIM(clip_sample=False, model_space="white")
        >>> scheduler.set_prior(DiagonalPrior(mean=5.0, std=0.1))
        >>> scheduler.set_timesteps(10)
        >>> x = torch.randn(2, 1, 8) * scheduler.init_noise_sigma
        >>> for t in scheduler.timesteps:
        ...     noise = torch.zeros_like(scheduler.scale_model_input(x, t))
        ...     x = scheduler.step(noise, t, x).prev_sample
    """

    plain_class: Any
    config: Any
    _prior: GaussianPrior | None = None
    _prior_of_step: GaussianPrior | None = None
    _copies = 1
    _plain_init_noise_sigma: float | Tensor = 1.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Wraps the methods of the wrapped class that exchange states with their callers."""
        super().__init_subclass__(**kwargs)
        if PriorSchedulerMixin not in cls.__bases__:
            return
        cls.plain_class = cls.__bases__[cls.__bases__.index(PriorSchedulerMixin) + 1]
        methods = {"__init__": init_with_model_space(cls.plain_class.__init__)}
        for name, plain in inspect.getmembers(cls.plain_class, inspect.isfunction):
            handler = _handler(name, plain)
            if handler is not None:
                methods[name] = delegate(plain, handler)
        for name, method in methods.items():
            if name not in vars(cls):
                setattr(cls, name, method)

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
        self._prior, self._copies = prior, 1

    @property
    def model_space(self) -> str:
        """Space of the network's input and output: "centered", "data" or "white"."""
        return check_model_space(self.config.get("model_space", "centered"))

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

        A flow-matching scheduler's `scale_noise(x_0, timesteps, noise)` is the same with its own scales.

        Args:
            original_samples: $x_0$ (batch, …), in data space.
            noise: white noise $n$ of the same shape.
            timesteps: training steps (batch,).

        Returns:
            $x_t$, in data space.

        Raises:
            ValueError: if the prior does not fit the sample.
            NotImplementedError: if the wrapped scheduler has no forward process.
        """
        return self._add_noise(forward_process, (original_samples, noise, timesteps), {})

    def scale_model_input(self, sample: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        r"""What the network sees of a state $x_t$, in the model's space.

        A batch that is a multiple of the prior's holds it several times over, as in classifier-free guidance.

        Args:
            sample: $x_t$ (batch, …), in data space.
            *args: what the wrapped scheduler takes: the timestep.
            **kwargs: likewise.

        Raises:
            ValueError: if the prior does not fit the sample.
        """
        plain = getattr(super(), "scale_model_input", lambda sample, *args, **kwargs: sample)
        if self._prior is None:
            return plain(sample, *args, **kwargs)
        prior = self._prior_for(sample, tiled=True)
        if self.model_space == "white":
            return plain(prior.to_white(sample), *args, **kwargs)
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
        data_weight, noise_weight = prediction_weights(self, timesteps, x0)
        signal, noise = self._in_model_space(x0, white_noise)
        return data_weight * signal + noise_weight * noise

    def step(
        self, model_output: Tensor, timestep: int | float | Tensor, sample: Tensor, *args: Any, **kwargs: Any
    ) -> Any:
        r"""One step of the wrapped scheduler, taken on $z_t$; signature and returns are its own.

        Args:
            model_output: the network's output, in the model's space; channels beyond the sample's (a learned
                variance) are handed on as they are.
            timestep: current timestep.
            sample: $x_t$, in data space.
            *args: further arguments of the wrapped `step`: states are in data space, noise is white.
            **kwargs: likewise.

        Returns:
            The wrapped scheduler's output with every state in data space.

        Raises:
            ValueError: if the prior does not fit the sample.
            TypeError: if the wrapped `step` takes a tensor like a state of which it is unknown what it is.
        """
        return self._step(self.plain_class.step, (model_output, timestep, sample, *args), kwargs)

    @classmethod
    def _get_compatibles(cls) -> list[type]:
        return cls.plain_class._get_compatibles()

    def _threshold_sample(self, sample: Tensor) -> Tensor:
        """Dynamic thresholding, in data space."""
        plain = super()._threshold_sample  # type: ignore[misc]
        prior = self._prior_of_step
        return plain(sample) if prior is None else prior.to_white(plain(prior.to_data(sample)))

    def _add_noise(
        self, plain: Callable[..., Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Tensor:
        if self._prior is None:
            return plain(self, *args, **kwargs)
        arguments = signature_of(plain).bind(self, *args, **kwargs)
        name = next(name for name in ("original_samples", "sample") if name in arguments.arguments)
        x0, noise = arguments.arguments[name], arguments.arguments.get("noise")
        prior = self._prior_for(x0)
        if noise is None:  # drawn inside
            arguments.arguments[name] = prior.to_white(x0)
            return prior.to_data(plain(*arguments.args, **arguments.kwargs))
        arguments.arguments[name] = x0 - prior.mean
        arguments.arguments["noise"] = prior.color(noise)
        return prior.mean + plain(*arguments.args, **arguments.kwargs)

    def _get_velocity(
        self, plain: Callable[..., Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Tensor:
        arguments = signature_of(plain).bind(self, *args, **kwargs).arguments
        x0, noise = self._in_model_space(arguments["sample"], arguments["noise"])
        return plain(self, x0, noise, arguments["timesteps"])

    def _step(self, plain: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if self._prior is None:
            return plain(self, *args, **kwargs)
        call = signature_of(plain).bind(self, *args, **kwargs)
        arguments = call.arguments
        sample = next(arguments[name] for name in STATES if name in arguments)
        prior = self._prior_for(sample, tiled=plain.__name__.startswith("batch"))
        for name, value in arguments.items():
            if isinstance(value, Tensor) and value.dim():
                arguments[name] = self._argument_to_white(prior, name, value, sample, arguments)
        with self._solving(prior, sample.shape):
            result = plain(*call.args, **call.kwargs)
        del call, arguments, value  # the white copies are not needed any more
        return result_to_data(prior, result, plain)

    def _argument_to_white(
        self, prior: GaussianPrior, name: str, value: Tensor, sample: Tensor, arguments: Mapping[str, Any]
    ) -> Tensor | MaskInDataSpace:
        if name in PREDICTIONS:
            return self._prediction_to_white(prior, value, arguments.get("timestep"), sample)
        if name in STATES:
            return prior.to_white(value)
        if name in DIRECTIONS:
            return prior.whiten(value)
        if name == "mask":
            return MaskInDataSpace(prior, value)
        if value.shape == sample.shape and name not in WHITE_NOISE:
            raise TypeError(
                f"{self.plain_class.__name__} takes a tensor {name!r} of the sample's shape "
                f"{tuple(value.shape)}, and it is unknown whether that is a state, a prediction or noise: "
                "leave it out, or call without a prior"
            )
        return value

    def _prediction_to_white(
        self, prior: GaussianPrior, prediction: Tensor, timestep: Any, sample: Tensor
    ) -> Tensor:
        if self.model_space == "white":
            return prediction
        channels = sample.shape[1] if sample.dim() > 1 else None
        mean, variance = prediction[:, :channels], prediction[:, channels:]
        if self.model_space == "data":
            data_weight, _ = prediction_weights(self, timestep, sample)
            mean = mean - data_weight * prior.mean
        white = prior.whiten(mean)
        return torch.cat([white, variance], dim=1) if variance.shape[1] else white

    def _in_model_space(self, x0: Tensor, white_noise: Tensor) -> tuple[Tensor, Tensor]:
        """Data and noise as they appear in what the network predicts."""
        if self._prior is None:
            return x0, white_noise
        prior = self._prior_for(x0)
        if self.model_space == "white":
            return prior.to_white(x0), white_noise
        return x0 if self.model_space == "data" else x0 - prior.mean, prior.color(white_noise)

    def _prior_for(self, sample: Tensor, tiled: bool = False) -> GaussianPrior:
        """The prior in use, if it fits the sample; several times over if the sample holds it so."""
        prior = self._prior
        assert prior is not None
        copies, rest = divmod(len(sample), prior.batch_size)
        # A pipeline that goes on with all copies hands `step` what it has handed `scale_model_input` before.
        if prior.batch_size > 1 and copies > 1 and not rest and (tiled or copies == self._copies):
            self._copies = copies
            prior = prior.tile(copies)
        prior.require_fit(sample)
        return prior

    @contextmanager
    def _solving(self, prior: GaussianPrior, shape: torch.Size) -> Iterator[None]:
        """While the wrapped solver runs, everything that it calls on itself is the plain scheduler's."""
        clips = not self.config.get("thresholding") and any(
            value is True for key, value in self.config.items() if key.startswith("clip")
        )
        clamp: AbstractContextManager[Any] = ClampInDataSpace(prior, shape) if clips else nullcontext()
        previous = self._prior
        self._prior, self._prior_of_step = None, prior
        try:
            with clamp:
                yield
        finally:
            self._prior, self._prior_of_step = previous, None


def _handler(name: str, plain: Callable[..., Any]) -> Callable[..., Any] | None:
    """What wraps a method of a scheduler; None if it is handed on as it is."""
    if name in ("add_noise", "scale_noise"):
        return PriorSchedulerMixin._add_noise
    if name == "get_velocity":
        return PriorSchedulerMixin._get_velocity
    takes_state = any(parameter in STATES for parameter in inspect.signature(plain).parameters)
    if takes_state and name.startswith(("step", "batch_step", "undo_step", "add_noise_to")):
        return PriorSchedulerMixin._step
    return None
