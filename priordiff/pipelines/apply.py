"""A prior for each call of any diffusers pipeline, computed from the call's own arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from diffusers import DiffusionPipeline
from diffusers.utils.logging import get_logger

from priordiff.fine_tuning import PriorAdapterMixin
from priordiff.pipelines.by_hand import part_done_by_hand
from priordiff.pipelines.first_state import mentions, starting_from_prior
from priordiff.pipelines.prior_per_call import PriorPerCall, names_of_arguments, origin_of
from priordiff.priors import GaussianPrior
from priordiff.schedulers import with_prior

__all__ = ["apply_prior"]

logger = get_logger(__name__)

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
    plain = _plain_class(pipe)
    if getattr(pipe, "scheduler", None) is None:
        others = [name for name in vars(pipe) if name.endswith("_scheduler")]
        hint = f", but {', '.join(others)}: give it with_prior of those" if others else ""
        raise ValueError(f"{plain.__name__} has no scheduler to give a prior to{hint}")
    if not callable(pipe):
        raise ValueError(f"{plain.__name__} can't be called: apply the prior to the pipelines that it makes")
    names_of_arguments(estimator)
    loop = _part_with_the_loop(pipe)
    for each in {plain, _plain_class(loop)}:
        by_hand = part_done_by_hand(each)
        if by_hand is not None:
            logger.warning(f"{each.__name__} {by_hand}: its results are not those of the prior")
    pipe.scheduler = with_prior(pipe.scheduler, _model_space_for(_plain_class(loop), model_space))
    pipe.scheduler.expect_prior(origin_of(estimator))
    loop.scheduler = pipe.scheduler
    for name, part in pipe.components.items():
        if isinstance(part, PriorAdapterMixin):
            setattr(pipe, name, part)  # so that the pipeline notes its class, which may be new
    start = starting_from_prior(_plain_class(loop))
    starts = () if start is None else (start,)
    if loop is pipe:
        pipe.__class__ = _with(plain, PriorPerCall, *starts)
    else:
        pipe.__class__, loop.__class__ = _with(plain, PriorPerCall), _with(_plain_class(loop), *starts)
    pipe._prior_estimator = estimator
    return pipe


def _plain_class(pipe: Any) -> Any:
    """The class of a pipeline before it was given a prior."""
    return getattr(type(pipe), "_plain_pipeline_class", type(pipe))


def _part_with_the_loop(pipe: Any) -> Any:
    """The pipeline, or what steps with the same scheduler inside of it."""
    parts = {name: part for name, part in vars(pipe).items() if isinstance(part, DiffusionPipeline)}
    if not parts:
        return pipe
    stepping = [part for part in parts.values() if getattr(part, "scheduler", None) is pipe.scheduler]
    if len(stepping) != 1:
        raise ValueError(
            f"{_plain_class(pipe).__name__} leaves its loops to its parts, of which {len(stepping)} have its "
            f"own scheduler: apply the prior to one of them, {' or '.join(f'pipe.{name}' for name in parts)}"
        )
    return stepping[0]


def _model_space_for(plain: Any, model_space: str | None) -> str | None:
    if mentions(plain, "scale_model_input") and plain.__name__ not in _SCALES_THE_STATE:
        return model_space
    if model_space not in (None, "data"):
        raise ValueError(
            f"model_space={model_space!r}, expected 'data': {plain.__name__} shows its network the state "
            "itself (which is 'centered' too if the prior's mean is 0)"
        )
    return "data"


@functools.cache
def _with(plain: Any, *mixins: type) -> Any:
    """A class of the same name as a pipeline's, by which diffusers saves it and finds its relatives."""

    @functools.wraps(plain.__call__)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        return super(made, self).__call__(*args, **kwargs)

    members = {
        "__module__": plain.__module__,
        "__qualname__": plain.__qualname__,
        "__doc__": plain.__doc__,
        "__call__": __call__,
        "__reduce__": lambda self: (_new, (plain, *mixins), vars(self)),
        "_plain_pipeline_class": plain,
    }
    made: Any = type(plain.__name__, (*mixins, plain), members)
    return made


def _new(plain: type, *mixins: type) -> Any:
    """An empty instance, for pickles and copies to fill."""
    made = _with(plain, *mixins)
    return made.__new__(made)
