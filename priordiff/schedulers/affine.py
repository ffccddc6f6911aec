"""Any diffusers scheduler under any Gaussian prior, by an affine change of variables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, ClassVar

from torch import Tensor

from priordiff.schedulers.configurations import NOISE_LEVELS, with_noise_levels
from priordiff.schedulers.data_space import ClampInDataSpace
from priordiff.schedulers.held_prior import HoldsPrior
from priordiff.schedulers.predictions import forward_process, prediction_weights
from priordiff.schedulers.remembered_steps import RemembersSteps, with_remembered_steps
from priordiff.schedulers.white_space import (
    PREDICTIONS,
    STATES,
    WhiteSpace,
    arguments_to_white,
    names_of_results,
    results_to_data,
)
from priordiff.schedulers.wrapping import delegate, init_with_model_space

__all__ = ["PriorSchedulerMixin"]


class PriorSchedulerMixin(HoldsPrior, RemembersSteps):
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
        >>> import torch
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
    kept_from_configurations: ClassVar[tuple[str, ...]] = NOISE_LEVELS
    _clipping_options: tuple[str, ...]
    _names_of_results: Mapping[str, tuple[str, ...]]
    _solver_space: WhiteSpace | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Wraps the methods of the wrapped class that exchange states with their callers."""
        super().__init_subclass__(**kwargs)
        if PriorSchedulerMixin not in cls.__bases__:
            return
        cls.plain_class = cls.__bases__[cls.__bases__.index(PriorSchedulerMixin) + 1]
        options = inspect.signature(cls.plain_class.__init__).parameters
        cls._clipping_options = tuple(name for name in options if name.startswith("clip"))
        methods = {"__init__": init_with_model_space(cls.plain_class.__init__)}
        for name, plain in inspect.getmembers(cls.plain_class, inspect.isfunction):
            handler = _handler(name, plain)
            if handler is not None:
                methods[name] = delegate(cls.plain_class, plain, handler)
        cls._names_of_results = {
            name: names_of_results(getattr(cls.plain_class, name)) for name in list(methods)[1:]
        }
        if hasattr(cls.plain_class, "set_timesteps"):
            methods["set_timesteps"] = with_remembered_steps(cls.plain_class.set_timesteps)
        for name, method in methods.items():
            if name not in vars(cls):
                setattr(cls, name, method)

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
        given = {"original_samples": original_samples, "noise": noise, "timesteps": timesteps}
        if self._is_plain():
            return forward_process(self, **given)
        return self._add_noise(forward_process, given)

    def scale_model_input(self, sample: Tensor, timestep: int | float | Tensor | None = None) -> Tensor:
        r"""What the network sees of a state $x_t$, in the model's space.

        A batch that is a multiple of the prior's holds it several times over, as in classifier-free guidance.

        Args:
            sample: $x_t$ (batch, …), in data space.
            timestep: current timestep.

        Raises:
            ValueError: if the prior does not fit the sample.
        """
        return sample if self._is_plain() else self._scale_model_input(_not_scaled, {"sample": sample})

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

    def training_pair(self, x0: Tensor, white_noise: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        r"""What the network sees of $x_t$ and what it has to predict, both in the model's space.

        The same as `scale_model_input(add_noise(x0, n, t), t)` (`scale_noise` for flows) and
        `training_target(x0, n, t)`, up to rounding, but data or noise go through $L^{-1}$ or $L$ only once.

        Args:
            x0: data (batch, …).
            white_noise: $n$ of the same shape.
            timesteps: training steps (batch,).

        Raises:
            ValueError: if the prior does not fit the sample, or the prediction type is unknown.
            NotImplementedError: if the wrapped scheduler has no forward process.
        """
        signal, noise = self._in_model_space(x0, white_noise)
        in_data_space = self.model_space == "data" and not self._is_plain()
        mean = self._space_for(x0).prior.mean if in_data_space else 0.0
        noisy = forward_process(self, signal - mean, noise, timesteps)
        if hasattr(self.plain_class, "scale_model_input"):
            noisy = self.plain_class.scale_model_input(self, noisy, timesteps)
        data_weight, noise_weight = prediction_weights(self, timesteps, x0)
        return mean + noisy, data_weight * signal + noise_weight * noise

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
        raise NotImplementedError(f"{self.plain_class.__name__} has no method `step`")

    def _step(self, plain: Callable[..., Any], given: dict[str, Any]) -> Any:
        """Whiten, step, colour."""
        sample = next(given[name] for name in STATES if name in given)
        space = self._space_for(sample, copied=plain.__name__.startswith("batch"))
        if not given.keys().isdisjoint(PREDICTIONS):
            self._warn_of_unseen_prior(space.prior)
        arguments = arguments_to_white(self, space, given, sample)
        clips = any(self.config.get(name) is True for name in self._clipping_options)
        # While the solver runs, everything that it calls on itself is the plain scheduler's.
        prior, self._prior, self._solver_space = self._prior, None, space
        try:
            with ClampInDataSpace(space, sample.shape) if clips else nullcontext():
                result = plain(self, **arguments)
        finally:
            self._prior, self._solver_space = prior, None
        return results_to_data(space, result, self._names_of_results[plain.__name__])

    def _threshold_sample(self, sample: Tensor) -> Tensor:
        """Dynamic thresholding, which a solver calls within its step, in data space."""
        plain, space = super()._threshold_sample, self._solver_space  # type: ignore[misc]
        return plain(sample) if space is None else space.from_data(plain(space.to_data(sample)))

    def _scale_model_input(self, plain: Callable[..., Tensor], given: dict[str, Any]) -> Tensor:
        sample = given["sample"]
        if not sample.dim():  # a number is scaled to learn the factor
            return plain(self, **given)
        space, self._showed_input = self._space_for(sample, copied=True), True
        if self.model_space == "white":
            return plain(self, **{**given, "sample": space.from_data(sample)})
        # The plain scaling multiplies by a number, which L lets through: no need to whiten and colour.
        seen = plain(self, **{**given, "sample": sample - space.prior.mean})
        return space.prior.mean + seen if self.model_space == "data" else seen

    def _add_noise(self, plain: Callable[..., Tensor], given: dict[str, Any]) -> Tensor:
        name = "original_samples" if "original_samples" in given else "sample"
        space, x0, noise = self._space_for(given[name]), given[name], given.get("noise")
        if noise is None:  # drawn inside
            return space.to_data(plain(self, **{**given, name: space.from_data(x0)}))
        mean = space.prior.mean
        return mean + plain(self, **{**given, name: x0 - mean, "noise": space.to_centered(noise)})

    def _get_velocity(self, plain: Callable[..., Tensor], given: dict[str, Any]) -> Tensor:
        x0, noise = self._in_model_space(given["sample"], given["noise"])
        return plain(self, x0, noise, given["timesteps"])

    @classmethod
    def extract_init_dict(cls, config_dict, **kwargs):  # type: ignore[no-untyped-def]
        """What `from_config` makes of a configuration, without a change of the noise levels."""
        return super().extract_init_dict(with_noise_levels(cls, config_dict, kwargs), **kwargs)  # type: ignore[misc]

    @classmethod
    def _get_compatibles(cls) -> list[type]:
        return cls.plain_class._get_compatibles()


def _handler(name: str, plain: Callable[..., Any]) -> Callable[..., Any] | None:
    """What wraps a method of a scheduler; None if it is handed on as it is."""
    if name == "scale_model_input":
        return PriorSchedulerMixin._scale_model_input
    if name in ("add_noise", "scale_noise"):
        return PriorSchedulerMixin._add_noise
    if name == "get_velocity":
        return PriorSchedulerMixin._get_velocity
    takes_state = any(parameter in STATES for parameter in inspect.signature(plain).parameters)
    if name == "step" or (
        takes_state and name.startswith(("step", "batch_step", "undo_step", "add_noise_to"))
    ):
        return PriorSchedulerMixin._step
    return None


def _not_scaled(scheduler: Any, sample: Tensor) -> Tensor:
    """What a solver of flow matching, which has no such method, would do as `scale_model_input`."""
    return sample
