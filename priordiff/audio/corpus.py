"""A corpus of recordings behind one memory-mapped file: a random crop costs no more than its length."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from priordiff.audio.cache import CacheSettings, Recording, prepare_cache
from priordiff.corpora import MappedArray, fingerprint

__all__ = ["AudioCorpus"]


class AudioCorpus:
    """Recordings at one sample rate, made by [`AudioCorpus.prepare`][priordiff.audio.AudioCorpus.prepare].

    The samples stay on disk until they are asked for. A corpus can be pickled: a worker process maps the file
    again.

    Attributes:
        recordings: name, text and length of each.
        sample_rate: in Hz.
    """

    def __init__(
        self, samples_path: str | os.PathLike[str], sample_rate: int, recordings: Iterable[Recording]
    ) -> None:
        self.sample_rate = sample_rate
        self.recordings = tuple(recordings)
        lengths = [recording.num_samples for recording in self.recordings]
        self._offsets = [0, *np.cumsum(lengths).tolist()][:-1]
        self._samples = MappedArray(samples_path, "float32")

    @classmethod
    def prepare(
        cls,
        directory: str | os.PathLike[str],
        cache_dir: str | os.PathLike[str],
        sample_rate: int,
        min_seconds: float = 1.0,
        peak: float | None = 0.95,
        progress: bool = False,
    ) -> AudioCorpus:
        """Decodes every recording of a folder once into a cache of mono float32 at one rate.

        Files that are corrupt, shorter than `min_seconds`, silent (peak below −80 dBFS) or hold NaN or
        infinite samples are skipped, and so are lines of a `metadata.csv` that name no file, and folders that
        cannot be listed; a warning counts them and `skipped.txt` in the cache names them with the reasons.
        Another warning says so if files are far beyond full scale (±1), as 16-bit integers kept as floats
        are. The cache is used again as long as no file and no setting has changed. Processes may prepare the
        same cache at the same time: each file appears whole, so the work is redundant but right.

        Args:
            directory: LJSpeech's layout (`metadata.csv` with lines `id|text` beside `wavs/`, an ID being the
                path of a file in it without the extension), or any folder with wav, flac, ogg or mp3 files at
                any depth, of any sample rate. Links to folders are followed, hidden files and folders are
                passed over.
            cache_dir: a folder for this corpus's cache; created if missing.
            sample_rate: of the corpus, in Hz; other rates are resampled.
            min_seconds: recordings that are shorter are skipped.
            peak: each recording is scaled to this largest absolute sample (PriorGrad's vocoder uses 0.95);
                None: unscaled.
            progress: whether to show a progress bar, if there is a terminal.

        Raises:
            FileNotFoundError: no such folder, or no audio in it.
            ValueError: a setting is out of range, no line of `metadata.csv` names a file, or none of the
                files is usable.
            OSError: the cache cannot be written; nothing is half-written.

        Example:
            >>> import tempfile
            >>> from priordiff.audio import write_audio
            >>> folder = Path(tempfile.mkdtemp())
            >>> write_audio(folder / "noise.wav", 0.1 * torch.randn(44100), sample_rate=44100)
            >>> corpus = AudioCorpus.prepare(folder, folder / "cache", sample_rate=22050)
            >>> corpus.recordings
            (Recording(name='noise', text=None, num_samples=22050),)
            >>> corpus.crop(0, start=100, length=256).shape
            torch.Size([256])
        """
        cache = prepare_cache(
            Path(directory), Path(cache_dir), CacheSettings(sample_rate, min_seconds, peak), progress
        )
        return cls(cache.samples_path, sample_rate, cache.recordings)

    def __len__(self) -> int:
        return len(self.recordings)

    @property
    def seconds(self) -> float:
        """How long all recordings are together."""
        return sum(recording.num_samples for recording in self.recordings) / self.sample_rate

    @property
    def identity(self) -> str:
        """A hash of which recordings these are: what is made of them can be kept under it."""
        # The name of the file holds the key of its content.
        return fingerprint(self._samples.path.name, self._offsets)

    def num_samples(self, index: int) -> int:
        """Length of a recording."""
        return self.recordings[index].num_samples

    def waveform(self, index: int) -> Tensor:
        """All samples of a recording, float32 (N,)."""
        return self.crop(index, 0, self.recordings[index].num_samples)

    def crop(self, index: int, start: int, length: int) -> Tensor:
        """The samples from `start` to `start + length` of a recording, float32 (length,).

        Raises:
            ValueError: the recording has no such samples.
        """
        recording = self.recordings[index]
        if start < 0 or length < 0 or start + length > recording.num_samples:
            raise ValueError(
                f"no samples {start} to {start + length} in {recording.name}: it has {recording.num_samples}"
            )
        offset = self._offsets[index] + start
        return torch.from_numpy(self._samples.items[offset : offset + length].copy())

    def select(self, indices: Iterable[int]) -> AudioCorpus:
        """A corpus of some of the recordings, which shares this one's file."""
        chosen = list(indices)
        selection = AudioCorpus.__new__(AudioCorpus)
        selection.__dict__.update(
            self.__dict__,
            recordings=tuple(self.recordings[index] for index in chosen),
            _offsets=[self._offsets[index] for index in chosen],
        )
        return selection
