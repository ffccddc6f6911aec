"""A prior for each call of any diffusers pipeline, computed from the call's own arguments."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn

from priordiff.priors import GaussianPrior
from priordiff.schedulers import PriorSchedulerMixin, with_prior

__all__ = ["apply_prior"]

# Hands the scheduler its own scaled input back as the state, which therefore must not be moved.
_SCALES_THE_STATE = {"DiTPipeline"}


def apply_prior(
    pipe: DiffusionPipeline, estimator: Callable[..., GaussianPrior], model_space: str | None = None
) -> DiffusionPipeline:
    r"""Makes every call of a pipeline start from, and sample with, the prior of the call's own arguments.

    The estimator gets the arguments of the call that it names: a `forward(self, prompt)` the prompt, a
    `forward(self, class_labels)` the labels. An argument that the pipeline does not take becomes a further
    keyword of its call: `pipe("a speech", mel=mel)` for a `forward(self, mel)`. Its prior serves the call
    alone, moved to the pipeline's device and dtype, and repeated for each of `num_images_per_prompt` (or
    videos, or waveforms) unless the estimator has asked for that number itself.

    The pipeline is changed in place and stays an instance of its class. Its scheduler becomes the sibling
    that `with_prior` makes. This is also the way for pipelines that do not multiply their first noise by
    `init_noise_sigma`, as those of flow matching: here they, too, start from $x_T = \mu + \sigma L n$, and
    `latents=` means white noise $n$ to every pipeline.

    Args:
        pipe: a pipeline of diffusers with a `scheduler`, or your own.
        estimator: a `PriorEstimator`, or a function from named arguments to a `GaussianPrior`.
        model_space: what the network sees and writes, see `PriorSchedulerMixin`; by default what the
            scheduler's configuration says. Pipelines that show the network their state itself, without
            `scale_model_input`, need "data", and get it by default.

    Returns:
        The pipeline.

    Raises:
        ValueError: if the pipeline has no scheduler, the model space does not suit it, or the estimator does
            not name its arguments; later, in a call, if the prior does not fit the latents.
        TypeError: if the scheduler cannot have a prior.

    Example:
        >>> from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
        >>> from priordiff import DiagonalPrior
        >>> unet = UNet2DModel(
        ...     sample_size=8, block_out_channels=(8,), layers_per_block=1, norm_num_groups=2,
        ...     down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",),
        ... )
        >>> pipe = apply_prior(
        ...     DDPMPipeline(unet, DDPMScheduler()), lambda brightness: DiagonalPrior(brightness, 0.5)
        ... )
        >>> pipe.set_progress_bar_config(disable=True)
        >>> pipe(brightness=0.3, num_inference_steps=2, output_type="np").images.shape
        (1, 8, 8, 3)
    """
    plain: Any = getattr(type(pipe), "_plain_pipeline_class", type(pipe))
    if getattr(pipe, "scheduler", None) is None:
        raise ValueError(f"{plain.__name__} has no scheduler to give a prior to")
    _names_of_arguments(estimator)
    mentioned = _mentioned(plain)
    if "scale_model_input" not in mentioned or plain.__name__ in _SCALES_THE_STATE:
        if model_space not in (None, "data"):
            raise ValueError(
                f"model_space={model_space!r}, expected 'data': {plain.__name__} shows its network the state "
                "itself (which is 'centered' too if the prior's mean is 0)"
            )
        model_space = "data"
    pipe.scheduler = with_prior(pipe.scheduler, model_space)
    pipe.__class__ = _with_prior_per_call(plain)
    pipe._prior_estimator = estimator
    return pipe


@functools.cache
def _with_prior_per_call(plain: Any) -> type:
    """A subclass of a pipeline's class, of the same name, whose calls set the prior."""
    call = plain.__call__
    members: dict[str, Any] = {
        "__module__": plain.__module__,
        "__qualname__": plain.__qualname__,
        "__doc__": plain.__doc__,
        "_plain_pipeline_class": plain,
        "__call__": functools.wraps(call)(lambda self, *args, **kwargs: _call(self, call, args, kwargs)),
    }
    if "init_noise_sigma" not in _mentioned(plain):
        if hasattr(plain, "prepare_latents"):
            prepare = plain.prepare_latents
            members["prepare_latents"] = functools.wraps(prepare)(
                lambda self, *args, **kwargs: _prepare_latents(self, prepare, args, kwargs)
            )
        else:
            members["_draws_noise_in_call"] = True
            call = _drawing_from_prior(call)
    return type(plain.__name__, (plain,), members)


def _call(pipe: Any, plain: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """A call of the pipeline under the prior of its arguments."""
    if not isinstance(pipe.scheduler, PriorSchedulerMixin):
        raise ValueError(
            f"the pipeline's scheduler was replaced by a plain {type(pipe.scheduler).__name__}: give it "
            "with_prior(scheduler), or call apply_prior again"
        )
    names = _names_of_arguments(pipe._prior_estimator)
    signature = inspect.signature(plain)
    extra = {name: kwargs[name] for name in names if name in kwargs and name not in signature.parameters}
    call = signature.bind(pipe, *args, **{name: kwargs[name] for name in kwargs if name not in extra})
    call.apply_defaults()
    arguments = {**call.arguments, **extra}
    prior = pipe._prior_estimator(**{name: arguments[name] for name in names if name in arguments})
    if not isinstance(prior, GaussianPrior):
        raise ValueError(f"the estimator returned a {type(prior).__name__}, expected a GaussianPrior")
    for name, number in call.arguments.items():
        per_item = name.startswith("num_") and name.endswith("_per_prompt") and name not in names
        if per_item and number and prior.batch_size > 1:
            prior = prior.repeat_interleave(number)
    previous = pipe.scheduler.prior
    pipe._prior_of_call = prior.to(pipe._execution_device)
    pipe.scheduler.set_prior(pipe._prior_of_call.to(_dtype(pipe)))
    try:
        if hasattr(pipe, "_draws_noise_in_call") and call.arguments.get("latents") is not None:
            call.arguments["latents"] = call.arguments["latents"] * pipe.scheduler.init_noise_sigma
        return plain(*call.args, **call.kwargs)
    finally:
        pipe.scheduler.set_prior(previous)
        del pipe._prior_of_call


def _prepare_latents(
    pipe: Any, plain: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """`prepare_latents` of a pipeline that takes its first noise as it is: white."""
    with _watching_for_noise(pipe.scheduler) as noised:
        result = plain(pipe, *args, **kwargs)
    # A refiner takes a state from another pipeline, and is told not to add noise to it.
    arguments = inspect.signature(plain).bind(pipe, *args, **kwargs).arguments
    is_state = arguments.get("add_noise") is False and arguments.get("latents") is None
    if noised or is_state:  # with noise of the prior already
        return result
    first, *rest = result if isinstance(result, tuple) else (result,)
    first = _from_prior(pipe, first)
    return (first, *rest) if isinstance(result, tuple) else first


def _from_prior(pipe: Any, white_noise: Tensor) -> Tensor:
    """The first state, in the dtype in which the pipeline keeps its states: not always its networks'."""
    prior = pipe._prior_of_call.to(white_noise.dtype)
    pipe.scheduler.set_prior(prior.to(white_noise.device))  # some draw on the CPU what they move later
    first = white_noise * pipe.scheduler.init_noise_sigma
    pipe.scheduler.set_prior(prior)
    return first


@contextmanager
def _watching_for_noise(scheduler: Any) -> Iterator[list[str]]:
    """Notes in the list that it gives which of the scheduler's forward processes were called."""
    noised: list[str] = []
    watched = [name for name in ("add_noise", "scale_noise") if hasattr(scheduler, name)]

    def watch(name: str) -> Callable[..., Tensor]:
        method = getattr(scheduler, name)

        def watched_method(*args: Any, **kwargs: Any) -> Tensor:
            noised.append(name)
            return method(*args, **kwargs)

        return watched_method

    vars(scheduler).update({name: watch(name) for name in watched})
    try:
        yield noised
    finally:
        for name in watched:
            del vars(scheduler)[name]


def _drawing_from_prior(call: Callable[..., Any]) -> Callable[..., Any]:
    """The `__call__` of a pipeline that draws its first noise in it, with that noise drawn from the prior.

    It is the same code in a namespace where `randn_tensor` first multiplies by `init_noise_sigma`.
    """
    function = inspect.unwrap(call)

    @functools.wraps(call)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        drawn = signature.bind(self, *args, **kwargs).arguments.get("latents") is not None

        def randn_tensor(*args: Any, **kwargs: Any) -> Tensor:
            nonlocal drawn
            noise = function.__globals__["randn_tensor"](*args, **kwargs)
            first, drawn = not drawn, True
            return _from_prior(self, noise) if first else noise

        namespace = {**function.__globals__, "randn_tensor": randn_tensor}
        copy = types.FunctionType(
            function.__code__, namespace, function.__name__, function.__defaults__, function.__closure__
        )
        copy.__kwdefaults__ = function.__kwdefaults__
        with torch.set_grad_enabled(torch.is_grad_enabled() and function is call):
            return copy(self, *args, **kwargs)

    signature = inspect.signature(function)
    return __call__


@functools.cache
def _mentioned(pipeline_class: type) -> frozenset[str]:
    """The names of attributes and functions in the code of a pipeline's class."""
    functions = [
        inspect.unwrap(member)
        for base in pipeline_class.__mro__
        if base not in DiffusionPipeline.__mro__
        for member in vars(base).values()
        if inspect.isfunction(member)
    ]
    return frozenset(name for function in functions for name in function.__code__.co_names)


def _names_of_arguments(estimator: Callable[..., Any]) -> list[str]:
    """The arguments of a call that an estimator asks for."""
    function = estimator.forward if isinstance(estimator, nn.Module) else estimator
    parameters = inspect.signature(function).parameters.values()
    unnamed = [each.name for each in parameters if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    if unnamed:
        raise ValueError(
            f"the estimator's arguments {unnamed} have no names of their own: name the arguments of the call "
            "that it needs, e.g. forward(self, prompt)"
        )
    return [each.name for each in parameters]


def _dtype(pipe: Any) -> torch.dtype:
    """The dtype of the latents: that of the denoiser."""
    for name in ("unet", "transformer", "prior", "decoder"):
        if isinstance(getattr(pipe, name, None), nn.Module):
            return getattr(pipe, name).dtype
    return pipe.dtype
