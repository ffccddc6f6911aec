"""Decoding a folder of recordings once, into one file of samples and an index."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from priordiff.audio.files import read_audio
from priordiff.audio.sources import AudioSource, find_audio
from priordiff.corpora import CorpusCache, decode_into, fingerprint, size_and_time

__all__ = ["AudioCache", "CacheSettings", "Recording", "prepare_cache", "read_usable"]

_logger = logging.getLogger(__name__)

_VERSION = 3
# −80 dBFS: 16-bit silence stays below it even when it is dithered.
_SILENCE_PEAK = 1e-4
# Decoding and resampling overshoot full scale by a few dB at most, integers that were kept as floats by far
# more.
_OTHER_SCALE_PEAK = 2.0


@dataclass(frozen=True)
class Recording:
    """One utterance of a corpus.

    Attributes:
        name: LJSpeech's ID, or the file's path relative to the corpus without the extension.
        text: what is said, if known.
        num_samples: length at the corpus's sample rate.
    """

    name: str
    text: str | None
    num_samples: int


@dataclass(frozen=True)
class CacheSettings:
    """How recordings are read into a cache.

    Attributes:
        sample_rate: of the cached samples in Hz.
        min_seconds: recordings that are shorter are skipped.
        peak: largest absolute sample to which each recording is scaled; None: unscaled.

    Raises:
        ValueError: a value is out of range.
    """

    sample_rate: int
    min_seconds: float
    peak: float | None

    def __post_init__(self) -> None:
        if self.sample_rate <= 0:
            raise ValueError(f"sample_rate is {self.sample_rate}, expected a positive number of Hz")
        if not self.min_seconds >= 0:
            raise ValueError(f"min_seconds is {self.min_seconds}, expected 0 or more")
        if self.peak is not None and not 0 < self.peak <= 1:
            raise ValueError(f"peak is {self.peak}, expected a number above 0 and at most 1, or None")


@dataclass(frozen=True)
class AudioCache:
    """The usable recordings of a folder, one after the other in a file of float32.

    Attributes:
        samples_path: the file.
        recordings: in the file's order.
        skipped: a line for each recording that was not usable: the file and the reason.
        other_scale: a line for each recording with samples far beyond full scale: the file and its peak.
    """

    samples_path: Path
    recordings: list[Recording]
    skipped: list[str]
    other_scale: list[str]


def prepare_cache(
    directory: Path, cache_dir: Path, settings: CacheSettings, progress: bool = False
) -> AudioCache:
    """The cache of a folder's recordings, made now unless nothing has changed since it was made.

    [`AudioCorpus.prepare`][priordiff.audio.AudioCorpus.prepare] tells what is read, what is skipped and what
    is raised.
    """
    sources, problems = find_audio(directory)
    files = [[source.name, str(source.path), source.text, size_and_time(source.path)] for source in sources]
    key = fingerprint(_VERSION, asdict(settings), files, problems)
    cache = CorpusCache(cache_dir, key, "samples.f32")
    content = cache.read()
    if content is None:
        content = _decode(sources, problems, cache, settings, progress)
    recordings = [Recording(**recording) for recording in content["recordings"]]
    cache.report_skipped(len(recordings), content["skipped"], "audio files", str(directory))
    prepared = AudioCache(cache.data_path, recordings, content["skipped"], content["other_scale"])
    _warn_of_scale(prepared, directory, settings.peak)
    return prepared


def _warn_of_scale(cache: AudioCache, directory: Path, peak: float | None) -> None:
    if cache.other_scale:
        _logger.warning(
            "%d of %d audio files in %s have samples far beyond full scale (±1), first %s: they are %s",
            len(cache.other_scale),
            len(cache.recordings) + len(cache.skipped),
            directory,
            cache.other_scale[0],
            "kept so, since peak is None" if peak is None else f"scaled to ±{peak} as all are",
        )


def _decode(
    sources: list[AudioSource],
    problems: list[str],
    cache: CorpusCache,
    settings: CacheSettings,
    progress: bool,
) -> dict[str, Any]:
    """Fills the cache; returns what became of each source."""
    recordings: list[Recording] = []
    other_scale: list[str] = []

    def decode(source: AudioSource) -> bytes:
        if recordings and recordings[-1].name == source.name:
            raise ValueError(f"{source.path} is a second recording named {source.name}")
        waveform, peak = read_usable(source.path, settings)
        if peak > _OTHER_SCALE_PEAK:
            other_scale.append(f"{source.path} up to ±{peak:.6g}")
        recordings.append(Recording(source.name, source.text, len(waveform)))
        scaled = waveform if settings.peak is None else waveform * (settings.peak / peak)
        return scaled.numpy().tobytes()

    skipped = problems + decode_into(cache, sources, decode, "reading audio", progress)
    content = {
        "recordings": [asdict(recording) for recording in recordings],
        "skipped": skipped,
        "other_scale": other_scale,
    }
    cache.write_index(content, skipped)
    return content


def read_usable(path: Path, settings: CacheSettings) -> tuple[Tensor, Tensor]:
    """The waveform of a file that is good enough, and its largest absolute sample.

    Raises:
        OSError: the file can't be read.
        ValueError: it can't be decoded, is too short or is silent.
    """
    waveform = read_audio(path, settings.sample_rate)
    seconds = len(waveform) / settings.sample_rate
    if seconds < settings.min_seconds:
        raise ValueError(
            f"{path} is too short: {seconds:.2f} s, at least {settings.min_seconds:.2f} s are needed"
        )
    peak = waveform.abs().max()
    if peak < _SILENCE_PEAK:
        raise ValueError(f"{path} is silent: its largest sample is {peak:.1e}")
    return waveform, peak
