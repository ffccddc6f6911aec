"""Text to speech."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

import torch
from diffusers import DiffusionPipeline, ModelMixin, SchedulerMixin
from torch import Tensor

from priordiff.audio.spoken_text import each_spoken_sentence
from priordiff.audio.symbols import SymbolTable
from priordiff.estimators import PriorEstimator
from priordiff.pipelines.chosen_scheduler import ChoosesScheduler
from priordiff.pipelines.loading import align_memory
from priordiff.pipelines.mel_parameters import mel_parameters
from priordiff.pipelines.mel_sampling import mel_of_sentence
from priordiff.pipelines.solvers import taking_prior, with_solver
from priordiff.pipelines.speaking import (
    TextToSpeechOutput,
    check_parts,
    generator_of,
    joined,
    parts_of_vocoder,
    sentences_to_speak,
    speaker_index,
)
from priordiff.pipelines.vocoder import VocoderPipeline

__all__ = ["TextToSpeechPipeline"]

_PITCH_STD = 0.2  # of log F0: that of lively speech


class TextToSpeechPipeline(ChoosesScheduler, DiffusionPipeline):
    r"""Speech from text: phonemes, an encoder, mel frames from the prior that the text implies, a vocoder.

    The acoustic model of PriorGrad (Lee et al., ICLR 2022, section 5) with a vocoder behind it. Texts are
    split into sentences, each of which is spoken by itself, so that nothing is ever padded.

    Args:
        encoder: a `TextEncoder`.
        decoder: a `MelDiffWave` or `MelConvNeXt`; or a `MelTransformer`, which needs neither scheduler nor
            estimator.
        scheduler: of the denoiser; in place of one that takes no prior comes its sibling.
        estimator: encoded text to prior; None for N(0, I).
        vocoder_model: denoiser of a `VocoderPipeline`; None for mel frames alone.
        vocoder_scheduler: of the vocoder.
        vocoder_estimator: of the vocoder.
        symbols: phonemes in the order of their indices, from 1 on.
        speakers: names of the speakers in the order of their indices; None for one without a name.
        voice: of espeak-ng, whose language and accent the phonemes have.
        pitch_std: standard deviation of log F0 that each speaker has, the unit of the encoder's pitch; None
            for 0.2.
        mel: parameters of `LogMelSpectrogram`.
        num_inference_steps: steps of a call that does not say how many.
        solver: that takes the scheduler's place, by its name; None for the scheduler itself, as after
            another one is assigned.
        schedules: configurations of the schedulers that sample in certain numbers of steps, by that number.
        vocoder: further arguments of the `VocoderPipeline`.

    Raises:
        ValueError: if the parts do not fit each other.
    """

    _optional_components = [  # noqa: RUF012 (declared so by diffusers)
        "scheduler",
        "estimator",
        "vocoder_model",
        "vocoder_scheduler",
        "vocoder_estimator",
    ]

    def __init__(
        self,
        encoder: ModelMixin,
        decoder: ModelMixin,
        scheduler: Optional[SchedulerMixin] = None,  # noqa: UP045 (diffusers before 0.37 reads no X | None,
        estimator: Optional[PriorEstimator] = None,  # noqa: UP045    nor annotations that are strings)
        vocoder_model: Optional[ModelMixin] = None,  # noqa: UP045
        vocoder_scheduler: Optional[SchedulerMixin] = None,  # noqa: UP045
        vocoder_estimator: Optional[PriorEstimator] = None,  # noqa: UP045
        symbols: Optional[Sequence[str]] = None,  # noqa: UP045
        speakers: Optional[Sequence[str]] = None,  # noqa: UP045
        voice: str = "en-us",
        pitch_std: Optional[Sequence[float]] = None,  # noqa: UP045
        mel: Optional[Mapping[str, Any]] = None,  # noqa: UP045
        num_inference_steps: int = 6,
        solver: Optional[str] = None,  # noqa: UP045
        vocoder: Optional[Mapping[str, Any]] = None,  # noqa: UP045
        schedules: Optional[Mapping[str, Any]] = None,  # noqa: UP045
    ) -> None:
        super().__init__()
        self._table = SymbolTable(symbols or ())
        pitch_std = [_PITCH_STD] * encoder.config.num_speakers if pitch_std is None else list(pitch_std)
        check_parts(encoder.config, decoder.config, scheduler, len(self._table), speakers, pitch_std)
        if scheduler is not None:
            scheduler = taking_prior(scheduler)
        for module in (encoder, decoder, estimator):
            if module is not None:
                align_memory(module)
        self.register_modules(
            encoder=encoder,
            decoder=decoder,
            scheduler=scheduler,
            estimator=estimator,
            vocoder_model=vocoder_model,
            vocoder_scheduler=vocoder_scheduler,
            vocoder_estimator=vocoder_estimator,
        )
        parameters = mel_parameters({"n_mels": decoder.config.n_mels}, mel)
        self._vocoder = None
        if vocoder_model is not None:
            self._vocoder = VocoderPipeline(
                vocoder_model, vocoder_scheduler, vocoder_estimator, mel=parameters, **(vocoder or {})
            )
            self._vocoder.set_progress_bar_config(disable=True)
        if solver is not None:
            with_solver(scheduler, solver)  # an error if it can't be had
        self.register_to_config(
            symbols=list(self._table.symbols),
            speakers=None if speakers is None else list(speakers),
            voice=voice,
            pitch_std=pitch_std,
            mel=parameters,
            num_inference_steps=num_inference_steps,
            solver=solver,
            vocoder=dict(vocoder or {}),
            schedules=None if schedules is None else dict(schedules),
        )

    @property
    def sample_rate(self) -> int:
        """Samples per second of the waveforms."""
        return self.config.mel["sample_rate"]

    @torch.no_grad()
    def __call__(
        self,
        text: str | Sequence[str] | None = None,
        phonemes: Sequence[str] | Sequence[Sequence[str]] | None = None,
        speaker: str | int | None = None,
        speed: float = 1.0,
        pitch_shift: float = 0.0,
        temperature: float = 1.0,
        seed: int | None = None,
        pause: float = 0.25,
        num_inference_steps: int | None = None,
        solver: str | None = None,
        return_dict: bool = True,
    ) -> TextToSpeechOutput | tuple[Any, ...]:
        """Speaks texts.

        Args:
            text: one or several, of any length.
            phonemes: instead of texts, the phonemes of one sentence or of several.
            speaker: name or index, if the encoder has several; the first by default.
            speed: 2 speaks twice as fast; 0.1 to 10.
            pitch_shift: in semitones, −48 to 48.
            temperature: scales the noise that the mel frames are made of, 0 to 10; less is smoother.
            seed: of the noise of each text, so that it becomes the same speech in any batch; None for noise
                that differs each time.
            pause: between sentences, in seconds, 0 to 60.
            num_inference_steps: steps of the sampler, those of the pipeline by default.
            solver: instead of the pipeline's.
            return_dict: False for a plain tuple.

        Raises:
            ValueError: if an argument does not fit the pipeline; the message names it.
        """
        if not 0 <= pause <= 60:
            raise ValueError(f"pause={pause}, expected 0 to 60 seconds")
        options: dict[str, Any] = {
            "speaker": speaker_index(speaker, self.config.speakers),
            "speed": speed,
            "pitch_shift": pitch_shift,
            "temperature": temperature,
            "num_inference_steps": num_inference_steps,
            "solver": solver,
        }
        audios, mels, spoken = [], [], []
        for sentences in sentences_to_speak(text, phonemes, self._table, self.config.voice):
            generator = generator_of(seed)
            pieces = [self._speak(each, generator, **options) for each in sentences]
            mels.append(torch.cat([mel for _, mel, _ in pieces], dim=-1))
            spoken.append([symbol for _, _, symbols in pieces for symbol in symbols])
            if self._vocoder is not None:
                audios.append(joined([audio for audio, _, _ in pieces], round(pause * self.sample_rate)))
        heard = None if self._vocoder is None else audios
        output = TextToSpeechOutput(heard, mels, spoken, self.sample_rate)
        return output if return_dict else output.to_tuple()

    @torch.no_grad()
    def stream(
        self, text: str, speaker: str | int | None = None, seed: int | None = None, **options: Any
    ) -> Iterator[Tensor]:
        """Speaks a text sentence by sentence: the waveforms (samples,) that a call would join.

        Each sentence is read when it is asked for, so that a book begins as soon as a line does.

        Args:
            text: of any length.
            speaker: as in a call.
            seed: likewise.
            **options: speed, pitch_shift, temperature, num_inference_steps, solver, as in a call.

        Raises:
            ValueError: as a call does; or if there is no vocoder.
        """
        if self._vocoder is None:
            raise ValueError("this pipeline has no vocoder: call it for mel frames, or take with_vocoder(…)")
        generator, index = generator_of(seed), speaker_index(speaker, self.config.speakers)
        for sentence in each_spoken_sentence(text, self._table, self.config.voice):
            yield self._speak(sentence, generator, index, **options)[0]

    def _speak(
        self, phonemes: Sequence[str], generator: torch.Generator | None, speaker: int, **options: Any
    ) -> tuple[Tensor, Tensor, list[tuple[str, int]]]:
        """A sentence: its waveform (empty without a vocoder), log-mel frames, frames of each phoneme."""
        mel, durations = mel_of_sentence(self, self._table.encode(phonemes), generator, speaker, **options)
        lasting = list(zip(phonemes, durations, strict=True))
        if self._vocoder is None:
            return mel.new_empty(0), mel, lasting
        (audios,) = self._vocoder(mel[None], generator=generator, return_dict=False)
        return audios[0].cpu(), mel, lasting

    def with_vocoder(self, vocoder: VocoderPipeline) -> "TextToSpeechPipeline":
        """The same pipeline, of the same networks, with a vocoder in place of the one that it may have.

        Args:
            vocoder: whose networks, scheduler and settings (steps, solver, consistency steps) are taken.

        Raises:
            ValueError: if it is for other mel frames; the message names the parameters that differ.

        Example:
            >>> import priordiff
            >>> frames = {"n_mels": 8, "hop_length": 16}
            >>> encoder = priordiff.TextEncoder(1, channels=8, layers=1)
            >>> pipeline = TextToSpeechPipeline(
            ...     encoder, priordiff.MelTransformer(8, 8, layers=1), symbols=["a"], mel=frames
            ... )
            >>> model = priordiff.LappedConvNeXt(8, 1, **frames)
            >>> vocoder = VocoderPipeline(model, priordiff.PriorGradScheduler(), num_inference_steps=2)
            >>> pipeline.with_vocoder(vocoder).config.vocoder["num_inference_steps"]
            2
        """
        of_vocoder = parts_of_vocoder(vocoder, self.config.mel)
        settings = {name: self.config[name] for name in self._get_signature_keys(type(self))[1]}
        return type(self)(**{**self.components, **settings, **of_vocoder})
