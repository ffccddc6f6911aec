"""What a pipeline with a prior has to give: the plain pipeline's result in white space, coloured."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from priordiff import GaussianPrior, with_prior

SEED = 5


def run(pipe: Any, scheduler: Any, **arguments: Any) -> Any:
    """What a pipeline returns with a scheduler, from the same generator unless the arguments have one."""
    # Asked for tensors, diffusers' unconditional pipelines returned arrays of numpy up to 0.37.
    return torch.as_tensor(_call(pipe, copy.deepcopy(scheduler), arguments))


def assert_coloured(
    pipe: Any,
    scheduler: Any,
    prior: GaussianPrior,
    model_space: str = "centered",
    mean_in_output: float = 0.0,
    tolerance: float = 1e-10,
    white: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> None:
    """Asserts that under a prior the states are those of the plain pipeline in white space, coloured.

    Args:
        pipe: a pipeline.
        scheduler: a plain one.
        prior: for all that the pipeline makes in one call.
        model_space: what the network sees and writes.
        mean_in_output: see `white_network`.
        tolerance: relative to the largest number among the states.
        white: arguments that the plain pipeline gets instead, in white space.
        **arguments: of the call.
    """
    sibling = with_prior(scheduler, model_space)
    sibling.set_prior(prior)
    actual = states(pipe, sibling, **arguments)
    in_white_space = {**arguments, **(white or {})}
    expected = coloured_states(pipe, scheduler, prior, model_space, mean_in_output, **in_white_space)
    assert_close(actual, expected, tolerance)


def assert_close(actual: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    """Asserts that states are equal, relative to the largest number among them."""
    assert (actual - expected).abs().max() <= tolerance * expected.abs().max()


def coloured_states(
    pipe: Any,
    scheduler: Any,
    prior: GaussianPrior,
    model_space: str,
    mean_in_output: float = 0.0,
    **arguments: Any,
) -> Tensor:
    """The states of the plain pipeline, whose network works in white space here, in data space."""
    with white_network(denoiser(pipe), prior, model_space, mean_in_output):
        white = states(pipe, scheduler, **arguments)
    return torch.stack([_of_states(prior.to_data, z, prior) for z in white])


def denoiser(pipe: Any) -> nn.Module:
    return pipe.unet if hasattr(pipe, "unet") else pipe.transformer


def states(pipe: Any, scheduler: Any, **arguments: Any) -> Tensor:
    """The states that the scheduler's steps return on the way, (steps, batch, …)."""
    scheduler = copy.deepcopy(scheduler)
    step, seen = scheduler.step, []

    @functools.wraps(step)
    def recording_step(*args: Any, **kwargs: Any) -> Any:
        output = step(*args, **kwargs)
        seen.append(output[0])
        return output

    scheduler.step = recording_step
    _call(pipe, scheduler, arguments)
    return torch.stack(seen)


@contextmanager
def white_network(
    network: nn.Module, prior: GaussianPrior, model_space: str, mean_in_output: float
) -> Iterator[None]:
    r"""The network as it works on white states: $z \mapsto L^{-1}(f(\mu + L z) - w\mu)$ in data space.

    Args:
        network: the denoiser; channels beyond the state's are not touched.
        prior: for the states of one copy of the batch, of which guidance makes several.
        model_space: what the network sees and writes.
        mean_in_output: w, how often the mean is in what the network predicts.
    """
    mean = prior.mean if model_space == "data" else 0.0

    def to_data(z: Tensor) -> Tensor:
        return mean + prior.color(z)

    def to_white(x: Tensor) -> Tensor:
        return prior.whiten(x - mean_in_output * mean)

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = next((name for name in ("hidden_states", "sample") if name in kwargs), None)
        if name is None:
            return (_of_states(to_data, args[0], prior), *args[1:]), kwargs
        return args, {**kwargs, name: _of_states(to_data, kwargs[name], prior)}

    def after(module: nn.Module, args: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (_of_states(to_white, output[0], prior), *output[1:])
        output.sample = _of_states(to_white, output.sample, prior)
        return output

    if model_space == "white":
        yield
        return
    hooks = [
        network.register_forward_pre_hook(before, with_kwargs=True),
        network.register_forward_hook(after),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _of_states(function: Callable[[Tensor], Tensor], tensor: Tensor, prior: GaussianPrior) -> Tensor:
    """Applies a map of states to each copy of the batch and to the state's channels alone."""
    channels = prior.event_shape[0]
    states, rest = tensor[:, :channels], tensor[:, channels:]
    mapped = torch.cat([function(copy) for copy in states.split(max(prior.batch_size, 1))])
    return torch.cat([mapped, rest], dim=1)


def _call(pipe: Any, scheduler: Any, arguments: Mapping[str, Any]) -> Any:
    previous, pipe.scheduler = pipe.scheduler, scheduler
    try:
        output = pipe(**{"generator": torch.Generator().manual_seed(SEED), **arguments})
    finally:
        pipe.scheduler = previous
    return next(iter(output.values()))
