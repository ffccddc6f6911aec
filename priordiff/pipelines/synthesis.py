"""What a call of a vocoder does: waveforms from log-mel frames, at once or chunk by chunk."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from priordiff.audio.mel import LogMelSpectrogram
from priordiff.audio.mel_consistency import mel_consistent
from priordiff.pipelines.local_operations import applied
from priordiff.pipelines.vocoding import Vocoding

__all__ = ["Synthesis", "checked_consistency_steps"]

# Frames on either side that a step sees by whitening its state and colouring it again, also where it clips
# what it predicts: a lapped transform and its inverse see one.
_MARGIN_OF_PRIOR = 4
# Seconds from which a call makes a waveform in chunks, and those of a chunk.
_LONG, _CHUNK = 30, 15

_Generator = torch.Generator | Sequence[torch.Generator] | None


@dataclass(frozen=True)
class Synthesis:
    """How waveforms are made in a call.

    Attributes:
        model: the denoiser.
        scheduler: of the call, of which copies are taken.
        timesteps: arguments of its `set_timesteps`.
        estimator: log-mel frames to prior; None for N(0, I).
        mel: parameters of `LogMelSpectrogram`.
        num_consistency_steps: of `mel_consistent` after the sampler.
    """

    model: Any
    scheduler: Any
    timesteps: Mapping[str, Any]
    estimator: Any
    mel: Mapping[str, Any]
    num_consistency_steps: int

    def __call__(self, log_mel: Tensor, generator: _Generator, update: Callable[[], Any]) -> Tensor:
        """Waveforms (batch, samples) of log-mel frames of one length (batch, n_mels, frames).

        Long ones are made in chunks, if all parts say how far they see, so that memory does not grow with
        their length.

        Args:
            log_mel: the frames.
            generator: source of noise.
            update: called `num_updates` times.
        """
        frames = self._frames_of_chunk(log_mel.shape[-1])
        if frames is None:
            return self.at_once(log_mel, generator, update)
        return torch.cat(list(self.in_chunks(log_mel, frames, generator, update)), -1)

    def num_updates(self, frames: int) -> int:
        """Steps that a call takes for so many frames."""
        steps = len(self._own_scheduler().timesteps)
        return steps * -(-frames // (self._frames_of_chunk(frames) or frames))

    def at_once(self, log_mel: Tensor, generator: _Generator, update: Callable[[], Any]) -> Tensor:
        """The same, whatever the length.

        Args:
            log_mel: as above, and so is the generator.
            generator: source of noise.
            update: called after each step.
        """
        scheduler = self._own_scheduler()
        accepts_generator = "generator" in inspect.signature(scheduler.step).parameters
        options = {"generator": generator} if accepts_generator else {}
        vocoding = Vocoding(self.model, scheduler, self.estimator, log_mel)
        x = vocoding.begin(self._noise(log_mel, generator))
        for timestep in scheduler.timesteps:
            x = vocoding.advance(x, timestep, **options)
            update()
        return self._consistent(x.squeeze(1), log_mel)

    def in_chunks(
        self, log_mel: Tensor, chunk_frames: int, generator: _Generator, update: Callable[[], Any]
    ) -> Iterator[Tensor]:
        """The same, chunk by chunk, in memory for a few chunks beside the noise.

        Each step of a chunk is taken on a window that holds around it what the step sees, as soon as this is
        there. So the chunks of a step follow those of the step before, and joined they are the waveforms that
        are made at once, up to rounding.

        Args:
            log_mel: as above.
            chunk_frames: frames of a chunk; the last one may have fewer.
            generator: source of noise, all of which is drawn first.
            update: called after each step of each chunk.

        Raises:
            ValueError: if a step sees more than its surroundings, or a part does not say how much it sees.
        """
        scheduler = self._own_scheduler()
        draws = _steps_that_draw(scheduler, log_mel)
        return self._in_chunks(scheduler, self.margin_frames, log_mel, chunk_frames, draws, generator, update)

    @property
    def margin_frames(self) -> int:
        """Frames on either side that a step of sampling sees.

        Raises:
            ValueError: if a part does not say.
        """
        return _MARGIN_OF_PRIOR + sum(map(_margin_of, (self.model, self.estimator)))

    def _frames_of_chunk(self, frames: int) -> int | None:
        """Of a call; None if it makes the waveforms at once."""
        seconds = self.mel["sample_rate"] / self.mel["hop_length"]
        if frames <= _LONG * seconds:
            return None
        try:
            _steps_that_draw(self._own_scheduler(), torch.zeros(()))
            self.margin_frames  # noqa: B018
        except ValueError:
            return None
        return round(_CHUNK * seconds)

    @torch.no_grad()
    def _in_chunks(
        self,
        scheduler: Any,
        margin: int,
        log_mel: Tensor,
        chunk_frames: int,
        draws: Sequence[bool],
        generator: _Generator,
        update: Callable[[], Any],
    ) -> Iterator[Tensor]:
        hop_length, timesteps = self.model.config.hop_length, scheduler.timesteps
        windows: dict[int, Vocoding] = {}

        def frames_around(index: int, margin: int) -> Tensor:
            start = index * chunk_frames
            return log_mel[..., max(start - margin, 0) : start + chunk_frames + margin]

        def noise_in_chunks() -> Iterable[Tensor]:
            return self._noise(log_mel, generator).split(chunk_frames * hop_length, -1)

        def begin(white_noise: Tensor, index: int) -> Tensor:
            own, frames = self._own_scheduler(), frames_around(index, margin)
            windows[index] = Vocoding(self.model, own, self.estimator, frames)
            return windows[index].begin(white_noise)

        def advance(x: Tensor, index: int, noise: Tensor | None = None, *, number: int) -> Tensor:
            options = {} if noise is None else {"variance_noise": noise}
            x = windows[index].advance(x, timesteps[number], **options)
            if number == len(timesteps) - 1:
                del windows[index]
            update()
            return x

        def consistent(x: Tensor, index: int) -> Tensor:
            return self._consistent(x.squeeze(1), frames_around(index, self._margin_of_consistency))

        first, given = noise_in_chunks(), [[noise_in_chunks()] if each else [] for each in draws]
        chunks: Iterable[Tensor] = applied(begin, first, margin * hop_length)
        for number, noise in enumerate(given):
            chunks = applied(partial(advance, number=number), chunks, margin * hop_length, *noise)
        yield from applied(consistent, chunks, self._margin_of_consistency * hop_length)

    def _own_scheduler(self) -> Any:
        """A copy, since schedulers have a state, and remember past steps."""
        scheduler = copy.deepcopy(self.scheduler)
        scheduler.set_timesteps(**self.timesteps)
        return scheduler

    def _noise(self, log_mel: Tensor, generator: _Generator) -> Tensor:
        shape = (len(log_mel), 1, log_mel.shape[-1] * self.model.config.hop_length)
        return randn_tensor(shape, generator=generator, device=log_mel.device, dtype=log_mel.dtype)

    @property
    def _margin_of_consistency(self) -> int:
        # A step changes a frame of the spectrum by what it was, and a sample by all frames around it.
        return self.num_consistency_steps * -(-self.mel["n_fft"] // self.mel["hop_length"])

    def _consistent(self, waveforms: Tensor, log_mel: Tensor) -> Tensor:
        if not self.num_consistency_steps:
            return waveforms  # without the filters, which need torchaudio
        transform = LogMelSpectrogram(**self.mel).to(waveforms.device, waveforms.dtype)
        if waveforms.shape[-1] < transform.min_samples:
            return waveforms
        return mel_consistent(waveforms, log_mel, transform, self.num_consistency_steps)


def _margin_of(part: Any) -> int:
    if part is None:
        return 0
    margin = getattr(part, "margin_frames", None)
    if not isinstance(margin, int):
        raise ValueError(
            f"{type(part).__name__} does not say how many frames before and after one decide on what it "
            "makes of it: give it an attribute margin_frames, or synthesise at once"
        )
    return margin


def _steps_that_draw(scheduler: Any, like: Tensor) -> list[bool]:
    """Whether each step of a scheduler draws noise, which is found out by steps of its own.

    Raises:
        ValueError: if one does, and takes none that is given; or looks at whole waveforms.
    """
    if scheduler.config.get("thresholding"):
        raise ValueError("the scheduler has thresholding=True, which looks at whole waveforms, not at chunks")
    solver, draws = copy.deepcopy(scheduler), []
    x, generator = like.new_zeros(1, 1, 2), torch.Generator(like.device)
    parameters = inspect.signature(solver.step).parameters
    options = {"generator": generator} if "generator" in parameters else {}
    for timestep in solver.timesteps:
        before = generator.get_state()
        solver.scale_model_input(x, timestep)
        solver.step(x, timestep, x, **options)
        draws.append(not torch.equal(before, generator.get_state()))
    if any(draws) and "variance_noise" not in parameters:
        raise ValueError(
            f"{type(scheduler).__name__} draws noise in its steps and takes none: choose another solver, or "
            "synthesise at once"
        )
    return draws


def checked_consistency_steps(num_steps: int) -> int:
    """The number of steps, if it is one.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(num_steps, int) or num_steps < 0:
        raise ValueError(f"num_consistency_steps={num_steps!r}, expected an integer of at least 0")
    return num_steps
