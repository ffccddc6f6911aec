"""Speech that experiments learn from and are judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from accelerate import PartialState

from priordiff.audio import AudioCorpus, EspeakVoice, Voice, make_corpus, split
from priordiff.audio.demo_corpus import DEMO_VOICES
from priordiff.corpora import cache_folder
from priordiff.training import ADJUSTABLE, expect

__all__ = ["MelConfig", "SpeechConfig", "prepare_speech", "speech_cache", "speech_directory"]


@dataclass
class SpeechConfig:
    """Where the recordings come from.

    Args:
        directory: LJSpeech's layout or any folder of audio files (where an example says so, of shards); null
            makes a corpus with espeak-ng.
        voices: Of espeak-ng, which speak the made corpus in turn; null for eight at several rates.
        cache_directory: Where the made corpus and the decoded samples are kept.
        validation_fraction: Share of the recordings that is held out.
        min_seconds: Shorter recordings are skipped.
    """

    directory: str | None = None
    voices: list[str] | None = None
    cache_directory: str = field(default="data", metadata=ADJUSTABLE)
    validation_fraction: float = 0.05
    min_seconds: float = 1.0

    def __post_init__(self) -> None:
        expect(self, "validation_fraction", 0 < self.validation_fraction < 1, "a number between 0 and 1")
        expect(self, "directory", self.directory != "", "a folder, or null for a corpus made by espeak-ng")
        expect(self, "voices", self.voices != [], "names of espeak-ng's voices, or null")
        expect(self, "min_seconds", self.min_seconds >= 0.5, "at least 0.5 seconds, which the measures need")


@dataclass
class MelConfig:
    """Arguments of `priordiff.audio.LogMelSpectrogram`."""

    sample_rate: int = 22050
    n_fft: int = 1024
    hop_length: int = 256
    win_length: int = 1024
    n_mels: int = 80
    f_min: float = 0.0
    f_max: float = 8000.0

    def __post_init__(self) -> None:
        rates = "8000 Hz, which the measures need, to 192000 Hz"
        expect(self, "sample_rate", 8000 <= self.sample_rate <= 192_000, rates)
        expect(self, "n_mels", self.n_mels >= 14, "at least 14 bands, which mel-cepstral distortion needs")
        shortest = self.sample_rate // 8
        expect(
            self, "hop_length", 0 < self.hop_length <= shortest, f"1 to {shortest} samples, an eighth second"
        )


def speech_directory(config: SpeechConfig) -> Path:
    """The folder of the recordings, configured or made."""
    if config.directory is not None:
        return Path(config.directory)
    return Path(config.cache_directory) / "-".join(["espeak", *(config.voices or ())])


def _voices(config: SpeechConfig) -> Sequence[Voice]:
    return DEMO_VOICES if config.voices is None else [EspeakVoice(voice) for voice in config.voices]


def speech_cache(config: SpeechConfig) -> Path:
    """The folder of what is made from these recordings; no other folder's recordings share it."""
    return cache_folder(config.cache_directory, speech_directory(config))


def prepare_speech(
    config: SpeechConfig, sample_rate: int, min_seconds: float = 0.0
) -> tuple[AudioCorpus, AudioCorpus]:
    """Make or decode the recordings on first use, in the main process.

    Args:
        config: Where they come from.
        sample_rate: In Hz.
        min_seconds: That a sample needs, if this is more than the configured limit.

    Returns:
        The recordings to learn from, and those that are held out.

    Raises:
        FileNotFoundError: There is no such folder, or no audio in it.
        ValueError: None of the files is usable.
        OSError: The cache cannot be written.
    """
    directory = speech_directory(config)
    state = PartialState()
    with state.main_process_first():
        if config.directory is None:
            make_corpus(directory, progress=state.is_main_process, voices=_voices(config))
        recordings = AudioCorpus.prepare(
            directory,
            speech_cache(config),
            sample_rate,
            min_seconds=max(config.min_seconds, min_seconds),
            progress=state.is_main_process,
        )
    return split(recordings, config.validation_fraction)
