"""A corpus of recordings in shards: only what is asked for is read, from a disk or a remote store."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from torch import Tensor

from priordiff.audio.cache import Recording
from priordiff.audio.files import AUDIO_EXTENSIONS, decode_audio
from priordiff.corpora import Shards, ShardTable, hash_threshold, sample_name, unit_hashes

__all__ = ["AudioShards"]

_FORMATS = tuple(extension[1:] for extension in AUDIO_EXTENSIONS)


class AudioShards:
    """Recordings at one sample rate, in shards of [`make_audio_shards`][priordiff.audio.make_audio_shards].

    It has what an [`AudioCorpus`][priordiff.audio.AudioCorpus] has, for corpora of any size: in memory are
    numbers of each shard alone. It can be pickled: a worker process opens the shards again.

    Args:
        folder: its path, or an address such as `s3://bucket/speech`.
        sample_rate: of the recordings in Hz.
        min_seconds: recordings that are shorter are passed over.

    Attributes:
        recordings: name, text and length of each, read when they are asked for.
        sample_rate: in Hz.
        shard_sizes: recordings of each shard, which are numbered shard by shard.

    Raises:
        FileNotFoundError: there is no such folder, no shard in it, or one that has no table.
        ValueError: the shards have another sample rate, or no recording is long enough.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> from priordiff.audio import make_audio_shards, write_audio
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in "abc":
        ...     write_audio(folder / f"{name}.wav", 0.1 * torch.randn(44100), sample_rate=44100)
        >>> _ = make_audio_shards(folder, folder / "shards", sample_rate=22050)
        >>> corpus = AudioShards(folder / "shards", sample_rate=22050)
        >>> corpus.recordings[1]
        Recording(name='b', text=None, num_samples=22050)
        >>> corpus.crop(1, start=100, length=256).shape
        torch.Size([256])
    """

    def __init__(self, folder: str | os.PathLike[str], sample_rate: int, min_seconds: float = 0.0) -> None:
        self.sample_rate = sample_rate
        self._shortest = max(1, round(min_seconds * sample_rate))
        self._shards = Shards(folder, functools.partial(_usable, sample_rate, self._shortest, None))

    def __len__(self) -> int:
        return len(self._shards)

    @property
    def recordings(self) -> Sequence[Recording]:
        """Name, text and length of each recording."""
        return _Recordings(self._shards)

    @property
    def shard_sizes(self) -> tuple[int, ...]:
        """Recordings of each shard."""
        return self._shards.sizes

    @property
    def seconds(self) -> float:
        """How long all recordings are together."""
        return self._shards.lengths / self.sample_rate

    def num_samples(self, index: int) -> int:
        """Length of a recording, which only its shard's table is read for."""
        return self._shards.length(index)

    def waveform(self, index: int) -> Tensor:
        """All samples of a recording, float32 (N,).

        Raises:
            ValueError: it can't be decoded; the message names the file.
        """
        return self.crop(index, 0, self.num_samples(index))

    def encoded(self, index: int) -> bytes:
        """The file of a recording, as it is in its shard.

        Raises:
            OSError: it can't be read; the message names the shard.
        """
        return next(iter(self._shards.read(index, _FORMATS).values()))

    def crop(self, index: int, start: int, length: int) -> Tensor:
        """The samples from `start` to `start + length` of a recording, float32 (length,).

        Raises:
            ValueError: the recording has no such samples, or can't be decoded.
        """
        total, where = self.num_samples(index), self._shards.where(index)
        if start < 0 or length < 0 or start + length > total:
            raise ValueError(f"no samples {start} to {start + length} in {where}: it has {total}")
        waveform = decode_audio(self.encoded(index), where, self.sample_rate, start, length)
        if len(waveform) != length:
            raise ValueError(f"{where} ends before its sample {start + length}: make the shard anew")
        return waveform

    def split(self, validation_fraction: float) -> tuple[AudioShards, AudioShards]:
        """Training and validation recordings: [`split`][priordiff.audio.split] of the same names.

        Raises:
            ValueError: the fraction is not between 0 and 1, or there are fewer than two recordings.
        """
        hashes = [
            unit_hashes(sample_name(table.keys[row]) for row in np.flatnonzero(self._shards.usable(table)))
            for table in map(self._shards.table, range(len(self.shard_sizes)))
        ]
        threshold = hash_threshold(np.concatenate(hashes), validation_fraction, "recording")
        return self._side((threshold, False)), self._side((threshold, True))

    def _side(self, side: tuple[float, bool]) -> AudioShards:
        chosen = AudioShards.__new__(AudioShards)
        chosen.sample_rate, chosen._shortest = self.sample_rate, self._shortest
        usable = functools.partial(_usable, self.sample_rate, self._shortest, side)
        chosen._shards = Shards(self._shards.store.folder, usable)
        return chosen


class _Recordings(Sequence[Recording]):
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    def __len__(self) -> int:
        return len(self._shards)

    @overload
    def __getitem__(self, index: int) -> Recording: ...
    @overload
    def __getitem__(self, index: slice) -> list[Recording]: ...
    def __getitem__(self, index: int | slice) -> Recording | list[Recording]:
        if isinstance(index, slice):
            return [self._recording(each) for each in range(len(self))[index]]
        return self._recording(range(len(self))[index])

    def __iter__(self) -> Iterator[Recording]:
        return map(self._recording, range(len(self)))

    def _recording(self, index: int) -> Recording:
        members = self._shards.read(index, ("txt",))
        text = members["txt"].decode(errors="replace").strip() if "txt" in members else None
        return Recording(sample_name(self._shards.key(index)), text, self._shards.length(index))


def _usable(
    sample_rate: int, shortest: int, side: tuple[float, bool] | None, table: ShardTable
) -> np.ndarray:
    """Which recordings of a shard belong to the corpus, or to a side of its split."""
    rate = table.about.get("sample_rate")
    if rate != sample_rate:
        raise ValueError(
            f"the recordings have {json.dumps(rate)} Hz, but {sample_rate} Hz are wanted: make shards "
            "of that rate"
        )
    usable = table.lengths >= shortest
    if side is not None:
        threshold, is_held_out = side
        usable &= (unit_hashes(map(sample_name, table.keys)) <= threshold) == is_held_out
    return usable
