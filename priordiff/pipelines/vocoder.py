"""Log-mel spectrogram to waveform."""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

import numpy as np
import torch
from diffusers import AudioPipelineOutput, DiffusionPipeline, ModelMixin, SchedulerMixin
from torch import Tensor

from priordiff.audio.mel import foreign_log_mels
from priordiff.estimators import PriorEstimator
from priordiff.pipelines.batches import Batch, indices_by_length, items_of
from priordiff.pipelines.chosen_scheduler import ChoosesScheduler
from priordiff.pipelines.loading import align_memory
from priordiff.pipelines.mel_parameters import analysed, check_log_mels, mel_parameters
from priordiff.pipelines.solvers import taking_prior, with_solver
from priordiff.pipelines.synthesis import Synthesis, checked_consistency_steps
from priordiff.pipelines.vocoding import prior_condition

__all__ = ["VocoderPipeline"]


class VocoderPipeline(ChoosesScheduler, DiffusionPipeline):
    r"""Waveforms from log-mel frames, starting from the prior that the frames imply.

    The vocoder of PriorGrad (Lee et al., ICLR 2022, section 4).

    Its log-mel frames are those of [`LogMelSpectrogram`][priordiff.audio.LogMelSpectrogram] for waveforms in
    [−1, 1]: natural logarithms of magnitudes, not of powers, from $\log 10^{-5} \approx -11.5$ up. Multiply
    decibels by $\log(10)/20$ and logarithms to base 10 by $\log 10$. Values out of range are warned of; those
    to base 10 are in it, and look like the frames of a noisy recording.

    Several threads may call it at the same time.

    Args:
        model: the denoiser: `DiffWave`, `LappedConvNeXt`, or another with `n_mels` and `hop_length` in its
            configuration and `forward(sample, timestep, log_mel)`.
        scheduler: a `PriorGradScheduler`, or any other scheduler: in place of one that takes no prior comes
            its sibling by `with_prior`, also if it is assigned later.
        estimator: log-mel frames to prior; None samples from N(0, I).
        num_inference_steps: steps of a call that does not say how many.
        solver: that takes the scheduler's place, by its name in [`SOLVERS`][priordiff.pipelines.with_solver];
            None for the scheduler itself, as after another one is assigned.
        mel: parameters of `LogMelSpectrogram` for waveforms that are given instead of log-mel frames, saved
            with the pipeline; what is missing is taken from the model's configuration or the defaults.
        num_consistency_steps: of [`mel_consistent`][priordiff.audio.mel_consistent] after the sampler, in a
            call that does not say how many.
        schedules: configurations of the schedulers that sample in certain numbers of steps, by that number;
            see [`use_schedules`][priordiff.search.use_schedules].

    Raises:
        ValueError: if the parts do not fit each other.
        TypeError: if the scheduler cannot have a prior.

    Example:
        >>> import priordiff
        >>> model = priordiff.models.DiffWave(residual_channels=8, residual_layers=2, n_mels=8, hop_length=16)
        >>> vocoder = VocoderPipeline(model, priordiff.PriorGradScheduler())
        >>> vocoder.set_progress_bar_config(disable=True)
        >>> vocoder(torch.zeros(2, 8, 5)).audios.shape
        torch.Size([2, 80])
    """

    _optional_components = ["estimator"]  # noqa: RUF012 (declared so by diffusers)

    def __init__(
        self,
        model: ModelMixin,
        scheduler: SchedulerMixin,
        estimator: Optional[PriorEstimator] = None,  # noqa: UP045 (diffusers before 0.37 reads no X | None,
        mel: Optional[Mapping[str, Any]] = None,  # noqa: UP045     nor annotations that are strings)
        num_inference_steps: int = 6,
        solver: Optional[str] = None,  # noqa: UP045
        num_consistency_steps: int = 0,
        schedules: Optional[Mapping[str, Any]] = None,  # noqa: UP045
    ) -> None:
        super().__init__()
        from_model = {"n_mels": model.config.n_mels, "hop_length": model.config.hop_length}
        parameters = mel_parameters(from_model, mel)
        if prior_condition(model) != "none" and not hasattr(estimator, "frame_std"):
            raise ValueError(
                f"the model has prior_condition={prior_condition(model)!r}, which needs an estimator "
                f"with frame_std(log_mel), such as MelEnergyEstimator, not {type(estimator).__name__}"
            )
        for module in (model, estimator):
            if module is not None:
                align_memory(module)
        self.register_modules(model=model, scheduler=taking_prior(scheduler), estimator=estimator)
        if solver is not None:  # an error if it can't be had
            with_solver(scheduler, solver)
        self.register_to_config(
            mel=parameters,
            num_inference_steps=num_inference_steps,
            solver=solver,
            num_consistency_steps=checked_consistency_steps(num_consistency_steps),
            schedules=None if schedules is None else dict(schedules),
        )

    @property
    def sample_rate(self) -> int:
        """Samples per second of the waveforms."""
        return self.config.mel["sample_rate"]

    @torch.no_grad()
    def __call__(
        self,
        mel: Batch | None = None,
        waveform: Batch | None = None,
        sample_rate: int | None = None,
        num_inference_steps: int | None = None,
        betas: Sequence[float] | None = None,
        solver: str | None = None,
        num_consistency_steps: int | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        output_type: str = "pt",
        return_dict: bool = True,
    ) -> AudioPipelineOutput | tuple[Any, ...]:
        """Synthesises one waveform for each item.

        Items of equal length are synthesised together and no item is ever padded, so that each becomes the
        same audio in any batch, up to rounding, if it has the same generator of its own.

        Args:
            mel: log-mel frames (batch, n_mels, frames) or (n_mels, frames), or a list of (n_mels, frames) of
                any lengths.
            waveform: instead of `mel`, waveforms in [−1, 1] to analyse and synthesise again: (batch, samples)
                or (samples,), or a list of (samples,) of any lengths. What exceeds a multiple of the hop is
                dropped.
            sample_rate: of `waveform`, to be checked against the model's.
            num_inference_steps: sampling steps, those of the pipeline by default; see the scheduler's
                `set_timesteps`.
            betas: instead of the number, the betas of sampling.
            solver: instead of the pipeline's.
            num_consistency_steps: how often the sampled waveform is brought closer to the given frames, by
                [`mel_consistent`][priordiff.audio.mel_consistent]; those of the pipeline by default, 0 for
                the sample as it is. A waveform too short to have a spectrum is left as it is.
            generator: source of noise; a list has one for each item.
            output_type: "pt" for tensors, "np" for NumPy arrays.
            return_dict: False for a plain tuple.

        Returns:
            An output whose `audios` are (batch, samples), or for a list of items a list of (samples,).

        Raises:
            ValueError: if an argument does not fit the pipeline; the message names it.
        """
        if output_type not in ("pt", "np"):
            raise ValueError(f"output_type={output_type!r}, expected 'pt' or 'np'")
        if mel is not None and waveform is None:
            log_mels = self._items("mel", mel, "n_mels", "frames")
        elif waveform is not None and mel is None:
            log_mels = analysed(self._items("waveform", waveform, "samples"), sample_rate, self.config.mel)
        else:
            raise ValueError("give exactly one of mel and waveform")
        self._check_log_mels(log_mels)
        if isinstance(generator, Sequence) and len(generator) != len(log_mels):
            raise ValueError(
                f"generator is a list of {len(generator)} for {len(log_mels)} items, expected as many"
            )

        synthesis = self._synthesis(num_inference_steps, betas, solver, num_consistency_steps)
        groups = indices_by_length(log_mels)
        audios: list[Any] = [None] * len(log_mels)
        updates = sum(synthesis.num_updates(log_mels[indices[0]].shape[-1]) for indices in groups)
        with self.progress_bar(total=updates) as progress_bar:
            for indices in groups:
                batch = torch.stack([log_mels[index] for index in indices])
                own = (
                    [generator[index] for index in indices] if isinstance(generator, Sequence) else generator
                )
                waveforms = synthesis(batch, own, progress_bar.update)
                for index, audio in zip(indices, waveforms, strict=True):
                    audios[index] = audio if output_type == "pt" else audio.numpy(force=True)
        is_list = isinstance(mel if mel is not None else waveform, (list, tuple))
        stack = torch.stack if output_type == "pt" else np.stack
        output = AudioPipelineOutput(audios=audios if is_list else stack(audios))
        return output if return_dict else output.to_tuple()

    def stream(
        self,
        mel: Tensor | np.ndarray,
        chunk_seconds: float = 1.0,
        num_inference_steps: int | None = None,
        betas: Sequence[float] | None = None,
        solver: str | None = None,
        num_consistency_steps: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Synthesises one waveform chunk by chunk: joined, the chunks are what a call makes, up to rounding.

        A chunk is done as soon as every step has seen what decides on it: in each of S steps, and before
        them, `margin_frames` of the network and of the estimator and one more. So with chunks that are longer
        than that, the first one comes when S + 2 of them have been begun. Longer chunks cost less, since each
        step computes the margins anew.

        Args:
            mel: log-mel frames (n_mels, frames).
            chunk_seconds: length of a chunk; the last one may be shorter.
            num_inference_steps: as in a call, and so are the others.
            betas: likewise.
            solver: likewise.
            num_consistency_steps: likewise.
            generator: likewise.

        Yields:
            Waveforms (samples,).

        Raises:
            ValueError: as in a call; or if a part looks at more than its surroundings.

        Example:
            >>> import priordiff
            >>> model = priordiff.DiffWave(residual_channels=8, residual_layers=2, n_mels=8, hop_length=16)
            >>> vocoder = VocoderPipeline(model, priordiff.PriorGradScheduler(), mel={"sample_rate": 160})
            >>> [len(chunk) for chunk in vocoder.stream(torch.zeros(8, 25), chunk_seconds=1.0)]
            [160, 160, 80]
        """
        if not 0 < chunk_seconds < math.inf:
            raise ValueError(f"chunk_seconds={chunk_seconds}, expected a positive number of seconds")
        log_mels = self._items("mel", mel, "n_mels", "frames")
        if len(log_mels) != 1:
            raise ValueError(f"mel has {len(log_mels)} items, expected one: stream them one after the other")
        self._check_log_mels(log_mels)
        synthesis = self._synthesis(num_inference_steps, betas, solver, num_consistency_steps)
        frames = max(round(chunk_seconds * self.sample_rate / self.model.config.hop_length), 1)
        return (chunk[0] for chunk in synthesis.in_chunks(log_mels[0][None], frames, generator, lambda: None))

    def _synthesis(
        self,
        num_inference_steps: int | None,
        betas: Sequence[float] | None,
        solver: str | None,
        num_consistency_steps: int | None,
    ) -> Synthesis:
        """What a call with these arguments does."""
        if num_consistency_steps is None:
            num_consistency_steps = self.config.num_consistency_steps
        scheduler, steps = self.scheduler_of_call(num_inference_steps, solver, betas)
        return Synthesis(
            self.model,
            scheduler,
            {**steps, "device": self.model.device},
            self.estimator,
            self.config.mel,
            checked_consistency_steps(num_consistency_steps),
        )

    def _check_log_mels(self, log_mels: list[Tensor]) -> None:
        check_log_mels(log_mels, self.model.config.n_mels)
        if problem := foreign_log_mels(log_mels, self.config.mel):
            warnings.warn(problem, stacklevel=4)

    def _items(self, name: str, batch: Batch, *dimensions: str) -> list[Tensor]:
        """The items of a batch, on the pipeline's device, in the precision of the sampler."""
        # Half precision is enough for networks, not for the sum of many small steps.
        dtype = torch.promote_types(self.model.dtype, torch.float32)
        return [tensor.to(self.model.device, dtype) for tensor in items_of(name, batch, dimensions)]
