"""A network that was trained with N(0, I), called as one that was trained under a prior."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from diffusers.utils.outputs import BaseOutput
from torch import Tensor

from priordiff.fine_tuning.conversion import conversion
from priordiff.fine_tuning.process import TrainedProcess
from priordiff.schedulers import PriorSchedulerMixin
from priordiff.schedulers.configurations import keeping_entry

__all__ = ["ENTRY", "PriorAdapterMixin", "check_scheduler"]

ENTRY = "trained_with"
_STATES = ("sample", "hidden_states", "x")
_TIMESTEPS = ("timestep", "timesteps")


class PriorAdapterMixin:
    r"""In front of a network's class: it takes and returns what a scheduler with a prior expects.

    Between the two it is called with a state of the isotropic diffusion that it was trained with, at the
    level at which the noise is as strong, and what it says is written as the scheduler's prediction, in its
    model space. Where $\Sigma = \sigma^2 I$, with any mean, prediction type and space, that is exact: the
    network is as good under the prior as it was without. Any other $\Sigma$ is taken for isotropic noise of
    the same volume, and what this costs is for fine-tuning to repair.

    Parameters, their names, the configuration and the signature of `forward` are the network's own, so that
    everything which is made for it still works. `adapt_to_prior` makes one of a network, and the entry
    `trained_with` in its configuration, which files hold, says with which noise levels it was trained.
    """

    config: Any
    plain_class: Any
    _names: tuple[str, ...]
    _state_name: str
    _timestep_name: str
    _scheduler: Any = None
    _process: TrainedProcess | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Wraps the network's `forward`."""
        super().__init_subclass__(**kwargs)
        if PriorAdapterMixin not in cls.__bases__:
            return
        cls.plain_class = cls.__bases__[cls.__bases__.index(PriorAdapterMixin) + 1]
        plain = cls.plain_class.forward
        cls._names = tuple(inspect.signature(plain).parameters)[1:]
        cls._state_name, cls._timestep_name = (
            _first_of(names, cls._names, cls.plain_class) for names in (_STATES, _TIMESTEPS)
        )

        @functools.wraps(plain)
        def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
            if len(args) > len(cls._names) or not kwargs.keys().isdisjoint(cls._names[: len(args)]):
                return plain(self, *args, **kwargs)  # raises the error that it has for this
            # No `strict`: with it, torch.compile fails in torch 2.7 and 2.8.
            return self._forward({**dict(zip(cls._names, args)), **kwargs})  # noqa: B905

        cls.forward = forward  # type: ignore[attr-defined]

    @property
    def scheduler(self) -> Any:
        """The scheduler whose prior is in force.

        Raises:
            ValueError: if the network has not been told.
        """
        if self._scheduler is None:
            raise ValueError(
                "the network has not been told which scheduler holds the prior: "
                "network.follow(pipe.scheduler), which apply_prior does in every call"
            )
        return self._scheduler

    def follow(self, scheduler: Any) -> None:
        """Tells the network which scheduler holds the prior: the one that gives its input and steps.

        Args:
            scheduler: one with a prior, for training or for sampling. It may be told again at any time.

        Raises:
            ValueError: if the scheduler cannot have a prior.
        """
        self._scheduler = check_scheduler(scheduler)

    @property
    def process(self) -> TrainedProcess:
        """The isotropic diffusion that the network was trained with.

        Raises:
            ValueError: if its configuration does not say.
        """
        if self._process is None:
            entry = self.config.get(ENTRY)
            if entry is None:
                raise ValueError(
                    f"the configuration of this {type(self).__name__} has no entry {ENTRY!r}: load the plain "
                    f"{self.plain_class.__name__} and call adapt_to_prior"
                )
            self._process = TrainedProcess.from_config(entry)
        return self._process

    @classmethod
    def extract_init_dict(cls, config_dict, **kwargs):  # type: ignore[no-untyped-def] # diffusers' signature
        """Keeps the entry."""
        return keeping_entry(ENTRY, super().extract_init_dict, config_dict, kwargs)  # type: ignore[misc]

    def _forward(self, given: dict[str, Any]) -> Any:
        scheduler, process = self.scheduler, self.process
        sample, timestep = given[self._state_name], given[self._timestep_name]
        scale = self.config[ENTRY]["timestep_scale"]
        axis, channels = _channels_of_state(self.config, sample)
        state, beside = _parts(sample, axis, channels)
        own = torch.as_tensor(timestep, device=sample.device)
        timesteps = own if scale == 1 else _of_the_scheduler(scheduler, own / scale)
        # Mixed precision is for the network: in half precision noise is not coloured and whitened back.
        with torch.autocast(state.device.type, enabled=False):
            try:
                converted = conversion(scheduler, process, timesteps, state)
            except IndexError as error:
                raise ValueError(
                    f"the network was called at timestep {own.tolist()}, which is none of the scheduler's: "
                    "if the pipeline scales the timesteps that its network gets, say by what, as in "
                    "adapt_to_prior(network, scheduler, timestep_scale=1e-3)"
                ) from error
            shown = converted.input(state)
        at = converted.timesteps
        if _embeds_whole_timesteps(self.config):
            at = at.round().long().clamp(0, process.num_train_timesteps - 1)
        else:
            # Where the level stays, the network is called with the very number that it was given.
            stays = at == timesteps.to(at.dtype)
            at = (at * scale).to(torch.promote_types(sample.dtype, torch.float32))
            at = torch.where(stays, own.to(at.dtype), at)
        given = {
            **given,
            self._state_name: torch.cat([shown, beside], axis) if beside.numel() else shown,
            self._timestep_name: at,
        }
        output = self.plain_class.forward(self, **given)

        def predicted(value: Tensor) -> Tensor:
            states, variance = _parts(value, axis, channels)
            with torch.autocast(states.device.type, enabled=False):
                prediction = converted.prediction(states, shown)
            return torch.cat([prediction, variance], axis) if variance.numel() else prediction

        return _with_first(predicted, output)


def check_scheduler(scheduler: Any) -> Any:
    """The scheduler, if it can have a prior.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(scheduler, PriorSchedulerMixin):
        raise ValueError(
            f"the scheduler is a {type(scheduler).__name__}, expected one that can have a prior: "
            "with_prior(scheduler)"
        )
    return scheduler


def _first_of(wanted: tuple[str, ...], names: tuple[str, ...], plain: type) -> str:
    found = next((name for name in wanted if name in names), None)
    if found is None:
        raise TypeError(
            f"{plain.__name__}.forward has the arguments {', '.join(names)}, expected one called "
            f"{' or '.join(map(repr, wanted))}"
        )
    return found


def _of_the_scheduler(scheduler: Any, timesteps: Tensor) -> Tensor:
    """A scheduler's own timesteps, for those that were scaled for a network and back.

    Each comes back rounded, and many schedulers look theirs up by equality or as indices: what is but for
    rounding one of the table is that one, and any other stays.
    """
    table = getattr(scheduler, "timesteps", None)
    if not isinstance(table, Tensor) or not table.numel():
        return timesteps
    if not table.is_floating_point():
        return timesteps.round().long()  # also those of training that the table of a sampling has not
    table = table.to(timesteps.device)
    wide = torch.promote_types(timesteps.dtype, table.dtype)
    given = timesteps.to(wide)
    nearest = table.to(wide)[(given[..., None] - table.to(wide)).abs().argmin(-1)]
    # Rounded at most three times: to the network's dtype, when scaled, and when scaled back.
    rounding = 2 * max(torch.finfo(timesteps.dtype).eps, torch.finfo(torch.float32).eps)
    return torch.where((given - nearest).abs() <= rounding * given.abs(), nearest, given)


def _channels_of_state(config: Mapping[str, Any], sample: Tensor) -> tuple[int, int]:
    """Where the channels are, and how many of the network's are the state's: masks and images follow."""
    taken, made = config.get("in_channels"), config.get("out_channels")
    has_tokens = sample.dim() == 3 and taken != sample.shape[1]  # whose channels come last
    axis = 2 if has_tokens and taken == sample.shape[2] else 1
    inpaints = taken == sample.shape[axis] and made is not None and made < taken
    return axis, made if inpaints else sample.shape[axis]  # type: ignore[return-value]


def _parts(tensor: Tensor, axis: int, channels: int) -> tuple[Tensor, Tensor]:
    """The channels of the state, and those that follow."""
    return tensor.narrow(axis, 0, channels), tensor.narrow(axis, channels, tensor.shape[axis] - channels)


def _embeds_whole_timesteps(config: Mapping[str, Any]) -> bool:
    """Whether a network looks its timesteps up in a table."""
    return config.get("time_embedding_type") == "learned" or config.get("norm_type") == "ada_norm"


def _with_first(function: Any, output: Any) -> Any:
    """What a network returns, with its first tensor mapped."""
    if isinstance(output, Tensor):
        return function(output)
    if isinstance(output, tuple):
        return (function(output[0]), *output[1:])
    if isinstance(output, BaseOutput):
        name = next(iter(output.keys()))
        output[name] = function(output[name])
        return output
    raise TypeError(
        f"the network returned a {type(output).__name__}, expected a tensor or an output of diffusers"
    )
