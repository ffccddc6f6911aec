"""Pipelines that take white noise as their first state start from the prior instead."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor
from torch.overrides import TorchFunctionMode

from priordiff.schedulers.noise_scale import PriorNoiseScale

__all__ = ["mentions", "starting_from_prior"]

_reading = threading.Lock()  # Python 3.11 parses in one thread at a time alone
_DRAWS = (torch.randn, torch.randn_like)


def starting_from_prior(pipeline_class: type) -> type | None:
    """The mixin that makes the pipelines of a class start from the prior; None if they scale their noise.

    Args:
        pipeline_class: a class of pipelines.
    """
    if mentions(pipeline_class, "init_noise_sigma"):
        return None
    if hasattr(pipeline_class, "_pack_latents"):
        return PacksLatents
    if hasattr(pipeline_class, "prepare_latents"):
        return PreparesLatents
    # The others add noise to an image with the scheduler's forward process, or draw their first state.
    return None if mentions(pipeline_class, "add_noise") else DrawsInCall


@functools.cache
def mentions(pipeline_class: type, name: str) -> bool:
    """Whether the source of a pipeline's class, or of one that it derives from, has a name in it.

    What a pipeline leaves to its scheduler is declared nowhere, and has to be known before it is called.

    Args:
        pipeline_class: a class of pipelines.
        name: of something that schedulers have.

    Raises:
        ValueError: if the class has no source, as one that was typed into an interpreter.
    """
    classes = [each for each in pipeline_class.__mro__ if each not in DiffusionPipeline.__mro__]
    try:
        with _reading:
            return any(name in inspect.getsource(each) for each in classes)
    except (OSError, TypeError) as error:
        raise ValueError(
            f"the source of {pipeline_class.__name__} can't be read, and it says what the scheduler has to "
            "do: define the class in a file"
        ) from error


class PreparesLatents:
    """For pipelines whose `prepare_latents` returns white noise, or an image with noise added."""

    scheduler: Any

    def prepare_latents(self, *args: Any, **kwargs: Any) -> Any:
        """What the pipeline prepares: the first state, which is the prior's here, perhaps with others."""
        prepare = super().prepare_latents  # type: ignore[misc]
        noised: list[bool] = []

        def add_noise(method: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
            noised.append(True)
            return self._add_noise(method, *args, **kwargs)

        with _forward_process_as(self.scheduler, add_noise):
            result = prepare(*args, **kwargs)
        # A refiner takes a state from another pipeline, and is told not to add noise to it.
        given = inspect.signature(prepare).bind(*args, **kwargs).arguments
        is_state = given.get("add_noise") is False and given.get("latents") is None
        if noised or is_state:
            return result
        if isinstance(result, Tensor):
            return _from_prior(self.scheduler, result)
        first, *others = result
        return (_from_prior(self.scheduler, first), *others)

    def _add_noise(self, method: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        return method(*args, **kwargs)


class PacksLatents(PreparesLatents):
    """For those of them that make tokens of their latents, and may add the noise before they do.

    The prior is one over tokens, as the states are, so there the forward process has to wait for the packing.
    """

    _waiting: tuple[Tensor, Callable[..., Tensor], ValueError] | None = None

    def prepare_latents(self, *args: Any, **kwargs: Any) -> Any:
        """What the pipeline prepares.

        Raises:
            ValueError: if the prior fits the latents neither before nor after they are packed.
        """
        try:
            result = super().prepare_latents(*args, **kwargs)
            if self._waiting is not None:
                raise self._waiting[-1]
        finally:
            self._waiting = None
        return result

    def _add_noise(self, method: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        try:
            return method(*args, **kwargs)
        except ValueError as does_not_fit:

            def noised(pack: Callable[[Tensor], Tensor]) -> Tensor:
                def packed(value: Any) -> Any:
                    return pack(value) if isinstance(value, Tensor) and value.dim() > 1 else value

                return method(*map(packed, args), **{name: packed(value) for name, value in kwargs.items()})

            placeholder = torch.empty(0)
            self._waiting = placeholder, noised, does_not_fit
            return placeholder

    def _pack_latents(self, latents: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        plain = super()._pack_latents  # type: ignore[misc]
        if self._waiting is None or latents is not self._waiting[0]:
            return plain(latents, *args, **kwargs)
        (_, noised, _), self._waiting = self._waiting, None
        return noised(lambda value: plain(value, *args, **kwargs))


class DrawsInCall:
    """For pipelines that draw their first state in the middle of `__call__`, as the oldest do."""

    scheduler: Any

    @torch.compiler.disable  # type: ignore[untyped-decorator] # which does not know numpy under a mode
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The pipeline's call, from the prior."""
        plain = super().__call__  # type: ignore[misc]
        call = inspect.signature(self.__call__).bind(*args, **kwargs)
        if call.arguments.get("latents") is not None:
            call.arguments["latents"] = _from_prior(self.scheduler, call.arguments["latents"])
            return plain(*call.args, **call.kwargs)
        generator = call.arguments.get("generator")
        with FirstNoise(self.scheduler, len(generator) if isinstance(generator, list) else 1):
            return plain(*args, **kwargs)


class FirstNoise(TorchFunctionMode):
    r"""Within this context the first white noise $n$ that is drawn becomes the state $\mu + \sigma L n$.

    A pipeline that draws it in the middle of its `__call__` has no method to override for this. PyTorch
    asks a mode at every function of its own, in this thread alone.

    Args:
        scheduler: with a prior.
        generators: how many; each of several draws one item of the batch.
    """

    def __init__(self, scheduler: Any, generators: int) -> None:
        super().__init__()
        self.scheduler = scheduler
        self.generators = generators
        self.drawn = 0

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        inside_of_a_step = self.scheduler.prior is None
        if function not in _DRAWS or inside_of_a_step or self.drawn == self.generators:
            return result
        item = slice(self.drawn, self.drawn + len(result))
        self.drawn += 1
        batch = result.expand(self.generators, *result.shape[1:]) if self.generators > 1 else result
        return _from_prior(self.scheduler, batch)[item]

    def __exit__(self, error: Any, *others: Any) -> None:
        super().__exit__(error, *others)
        if error is None and self.drawn < self.generators:
            raise ValueError(
                "the pipeline drew no first state with torch.randn, so it did not start from the prior: let "
                "it multiply what it starts from by scheduler.init_noise_sigma"
            )


def _from_prior(scheduler: Any, white_noise: Tensor) -> Tensor:
    """The first state, on the noise's own device: some draw on the CPU what they move later."""
    scale = scheduler.init_noise_sigma
    return white_noise * PriorNoiseScale(scale.sigma, scale.prior.to(white_noise.device))


@contextmanager
def _forward_process_as(scheduler: Any, add_noise: Callable[..., Tensor]) -> Iterator[None]:
    """Has `add_noise(method, *args)` called for the scheduler's own forward process."""
    names = [name for name in ("add_noise", "scale_noise") if hasattr(scheduler, name)]
    for name in names:
        setattr(scheduler, name, functools.partial(add_noise, getattr(scheduler, name)))
    try:
        yield
    finally:
        for name in names:
            delattr(scheduler, name)
