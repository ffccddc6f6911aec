"""Decoding a folder of recordings once, into one file of samples and an index."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor
from tqdm.auto import tqdm

from priordiff.audio.files import read_audio
from priordiff.audio.sources import AudioSource, find_audio
from priordiff.files import atomic_path, remove_partials, write_text

__all__ = ["AudioCache", "CacheSettings", "Recording", "prepare_cache"]

_logger = logging.getLogger(__name__)

_VERSION = 2
_INDEX = "index.json"
_SKIPPED = "skipped.txt"
_BYTES_PER_SAMPLE = 4
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
    key = _fingerprint(sources, problems, settings)
    cache = _read_index(cache_dir, key)
    if cache is None:
        cache_dir.mkdir(parents=True, exist_ok=True)
        cache = AudioCache(_samples_path(cache_dir, key), [], problems, [])
        _decode(sources, cache, settings, progress)
        _write_index(cache, cache_dir, key)
    if not cache.recordings:
        raise ValueError(
            f"none of the {len(cache.skipped)} audio files in {directory} can be used; the first: "
            f"{cache.skipped[0]} (see {cache_dir / _SKIPPED} for all)"
        )
    _warn(cache, directory, cache_dir / _SKIPPED, settings.peak)
    return cache


def _warn(cache: AudioCache, directory: Path, skipped_path: Path, peak: float | None) -> None:
    total = len(cache.recordings) + len(cache.skipped)
    if cache.skipped:
        _logger.warning(
            "skipped %d of %d audio files in %s, named with the reasons in %s",
            len(cache.skipped),
            total,
            directory,
            skipped_path,
        )
    if cache.other_scale:
        _logger.warning(
            "%d of %d audio files in %s have samples far beyond full scale (±1), first %s: they are %s",
            len(cache.other_scale),
            total,
            directory,
            cache.other_scale[0],
            "kept so, since peak is None" if peak is None else f"scaled to ±{peak} as all are",
        )


def _fingerprint(sources: list[AudioSource], problems: list[str], settings: CacheSettings) -> str:
    files = [[source.name, str(source.path), source.text, _size_and_time(source.path)] for source in sources]
    content = [_VERSION, asdict(settings), files, problems]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _size_and_time(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:  # a dangling link
        return None
    return status.st_size, status.st_mtime_ns


def _read_index(cache_dir: Path, key: str) -> AudioCache | None:
    try:
        index = json.loads((cache_dir / _INDEX).read_text(encoding="utf-8"))
        if index["key"] != key:
            return None
        samples_path = _samples_path(cache_dir, key)
        recordings = [Recording(**recording) for recording in index["recordings"]]
        num_samples = sum(recording.num_samples for recording in recordings)
        if samples_path.stat().st_size != num_samples * _BYTES_PER_SAMPLE:
            return None
        return AudioCache(samples_path, recordings, index["skipped"], index["other_scale"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _samples_path(cache_dir: Path, key: str) -> Path:
    # Named by what it holds: an index can never meet the samples of another.
    return cache_dir / f"samples-{key[:16]}.f32"


def _decode(sources: list[AudioSource], cache: AudioCache, settings: CacheSettings, progress: bool) -> None:
    """Writes the cache's samples and adds to its lists what became of each source."""
    remove_partials(cache.samples_path.parent, shared=True)
    with atomic_path(cache.samples_path) as temporary, temporary.open("wb") as file:
        for source in tqdm(sources, "reading audio", disable=None if progress else True):
            try:
                if cache.recordings and cache.recordings[-1].name == source.name:
                    raise ValueError(f"{source.path} is a second recording named {source.name}")
                waveform, peak = _read_usable(source.path, settings)
            except (OSError, ValueError) as error:
                cache.skipped.append(" ".join(str(error).split()))
                continue
            if peak > _OTHER_SCALE_PEAK:
                cache.other_scale.append(f"{source.path} up to ±{peak:.6g}")
            scaled = waveform if settings.peak is None else waveform * (settings.peak / peak)
            file.write(scaled.numpy().tobytes())
            cache.recordings.append(Recording(source.name, source.text, len(waveform)))


def _write_index(cache: AudioCache, cache_dir: Path, key: str) -> None:
    write_text(cache_dir / _SKIPPED, "".join(f"{line}\n" for line in cache.skipped))
    index = {
        "key": key,
        "recordings": [asdict(recording) for recording in cache.recordings],
        "skipped": cache.skipped,
        "other_scale": cache.other_scale,
    }
    write_text(cache_dir / _INDEX, json.dumps(index))
    for outdated in cache_dir.glob("samples-*.f32"):
        if outdated != cache.samples_path:
            outdated.unlink(missing_ok=True)


def _read_usable(path: Path, settings: CacheSettings) -> tuple[Tensor, Tensor]:
    """The waveform of a file that is good enough, and its largest absolute sample."""
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
