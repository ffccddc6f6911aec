"""Any diffusers scheduler under any Gaussian prior, by an affine change of variables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from diffusers.configuration_utils import FrozenDict
from diffusers.utils.logging import get_logger
from torch import Tensor

from priordiff.priors import GaussianPrior
from priordiff.schedulers.arguments import PREDICTIONS, STATES, arguments_of_step
from priordiff.schedulers.coordinates import Coordinates, DataCoordinates, coordinates_for, drawing_in
from priordiff.schedulers.data_space import ClampInDataSpace, clamp_in_data_space
from priordiff.schedulers.noise_scale import PriorNoiseScale
from priordiff.schedulers.predictions import forward_process, prediction_weights
from priordiff.schedulers.results import result_to_data
from priordiff.schedulers.wrapping import by_name, check_model_space, delegate, init_with_model_space

__all__ = ["PriorSchedulerMixin"]

logger = get_logger(__name__)

_WITHOUT_STATES = {"_prior", "_tiled", "_coordinates", "_internal_dict", "_clipping_of", "_fitting"}


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
    _coordinates: Coordinates | None = None
    _clips = False
    _clipping_of: tuple[Any, bool, Any] = (None, False, None)
    _tiled: GaussianPrior | None = None
    _fitting: tuple[Any, ...] | None = None
    _showed_input = False
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
        self._prior, self._tiled, self._fitting, self._showed_input = prior, None, None, False

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
        plain = getattr(self.plain_class, "scale_model_input", lambda self, sample, *args, **kwargs: sample)
        return self._scale_model_input(plain, (sample, *args), kwargs)

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
        """Dynamic thresholding, or clipping, in data space."""
        plain = super()._threshold_sample  # type: ignore[misc]
        if self._coordinates is None:
            return plain(sample)
        if not self._clips:
            return self._coordinates.from_data(plain(self._coordinates.to_data(sample)))
        limit = self.config["clip_sample_range"]
        return clamp_in_data_space(self._coordinates, sample, -limit, limit)

    def _scale_model_input(
        self, plain: Callable[..., Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Tensor:
        if self._prior is None:
            return plain(self, *args, **kwargs)
        sample, *others = args or (kwargs["sample"],)
        kwargs = {name: value for name, value in kwargs.items() if name != "sample"}
        if not sample.dim():  # a number is scaled to learn the factor
            return plain(self, sample, *others, **kwargs)
        prior = self._prior_for(sample, tiled=True)
        self._showed_input = True
        if self.model_space == "white":
            return plain(self, prior.to_white(sample), *others, **kwargs)
        # The plain scaling multiplies by a number, which L lets through: no need to whiten and colour.
        centered = plain(self, sample - prior.mean, *others, **kwargs)
        return prior.mean + centered if self.model_space == "data" else centered

    def _add_noise(
        self, plain: Callable[..., Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Tensor:
        if self._prior is None:
            return plain(self, *args, **kwargs)
        arguments = by_name(self.plain_class, plain, args, kwargs)
        name = next(name for name in ("original_samples", "sample") if name in arguments)
        x0, noise = arguments[name], arguments.get("noise")
        prior = self._prior_for(x0)
        if noise is None:  # drawn inside
            return prior.to_data(plain(self, **{**arguments, name: prior.to_white(x0)}))
        centered = {**arguments, name: x0 - prior.mean, "noise": prior.color(noise)}
        return prior.mean + plain(self, **centered)

    def _get_velocity(
        self, plain: Callable[..., Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Tensor:
        arguments = by_name(self.plain_class, plain, args, kwargs)
        x0, noise = self._in_model_space(arguments["sample"], arguments["noise"])
        return plain(self, x0, noise, arguments["timesteps"])

    def _step(self, plain: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if self._prior is None:
            return plain(self, *args, **kwargs)
        given = by_name(self.plain_class, plain, args, kwargs)
        sample = next(given[name] for name in STATES if name in given)
        prior = self._prior_for(sample, tiled=plain.__name__.startswith("batch"))
        if not given.keys().isdisjoint(PREDICTIONS):
            self._warn_of_unseen_prior(prior)
        coordinates = coordinates_for(self, plain.__name__, prior, given)
        arguments = arguments_of_step(self, coordinates, given, sample)
        with self._solving(coordinates, sample.shape):
            result = drawing_in(coordinates, plain)(self, **arguments)
        del arguments  # before the results get memory of their own
        kept = [value for name, value in vars(self).items() if name not in _WITHOUT_STATES]
        return result_to_data(coordinates, result, plain, [*kept, *given.values()])

    def _warn_of_unseen_prior(self, prior: GaussianPrior) -> None:
        """Warns, once for each prior, of a loop that shows the network the states themselves."""
        space = self.model_space
        if self._showed_input or space == "data" or (space == "centered" and prior.has_zero_mean):
            return
        self._showed_input = True
        logger.warning(
            f"`step` was called without `scale_model_input`: with model_space={space!r} the network must see "
            "what that returns; if it is shown the state itself, the space is 'data'"
        )

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
        batch = sample.shape[0]
        if batch > prior.batch_size > 1:
            copies, rest = divmod(batch, prior.batch_size)
            if tiled and not rest and (self._tiled is None or self._tiled.batch_size != batch):
                self._tiled = prior.tile(copies)
            # A pipeline that goes on with all copies hands `step` what `scale_model_input` had before.
            if self._tiled is not None and self._tiled.batch_size == batch:
                prior = self._tiled
        fitting = (sample.shape, sample.dtype, sample.device)
        if fitting != self._fitting:
            prior.require_fit(sample)
            self._fitting = fitting
        return prior

    @contextmanager
    def _solving(self, coordinates: Coordinates, shape: torch.Size) -> Iterator[None]:
        """While the wrapped solver runs, everything that it calls on itself is the plain scheduler's."""
        prior, config = self._prior, self.config
        self._clips, thresholding = self._clipping(config)
        clamp: AbstractContextManager[Any] = nullcontext()
        self._prior, self._coordinates = None, coordinates
        if isinstance(coordinates, DataCoordinates) and coordinates.shifts_nothing:
            self._coordinates = None  # what the solver does to its data is right as it is
        elif thresholding is not None:
            self._internal_dict = thresholding
        elif self._clips:
            clamp = ClampInDataSpace(coordinates, shape)
        try:
            with clamp:
                yield
        finally:
            self._prior, self._coordinates, self._internal_dict = prior, None, config

    def _clipping(self, config: Any) -> tuple[bool, Any]:
        """Whether a configuration has the solver clip, and one that has it ask `_threshold_sample` to."""
        if self._clipping_of[0] is not config:
            clips = not config.get("thresholding") and any(
                value is True for name, value in config.items() if name.startswith("clip")
            )
            # A solver that knows both thresholds first, and clips only where it may not.
            asks = clips and "thresholding" in config and "clip_sample_range" in config
            thresholding = FrozenDict({**config, "thresholding": True}) if asks else None
            self._clipping_of = config, clips, thresholding
        return self._clipping_of[1:]


def _handler(name: str, plain: Callable[..., Any]) -> Callable[..., Any] | None:
    """What wraps a method of a scheduler; None if it is handed on as it is."""
    if name == "scale_model_input":
        return PriorSchedulerMixin._scale_model_input
    if name in ("add_noise", "scale_noise"):
        return PriorSchedulerMixin._add_noise
    if name == "get_velocity":
        return PriorSchedulerMixin._get_velocity
    takes_state = any(parameter in STATES for parameter in inspect.signature(plain).parameters)
    if takes_state and name.startswith(("step", "batch_step", "undo_step", "add_noise_to")):
        return PriorSchedulerMixin._step
    return None
