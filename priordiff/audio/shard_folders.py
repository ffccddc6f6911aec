"""Turning recordings into shards."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from priordiff._extra import require
from priordiff.audio.cache import CacheSettings, read_usable
from priordiff.audio.files import AUDIO_EXTENSIONS, encode_audio
from priordiff.audio.sources import AudioSource, find_audio
from priordiff.corpora import ShardWriter, index_shards, sample_key
from priordiff.files import write_text

__all__ = ["index_audio_shards", "make_audio_shards"]

_logger = logging.getLogger(__name__)

_SKIPPED = "skipped.txt"


def make_audio_shards(
    directory: str | os.PathLike[str],
    output: str | os.PathLike[str],
    sample_rate: int,
    min_seconds: float = 1.0,
    peak: float | None = 0.95,
    max_bytes: int = 1_000_000_000,
    num_workers: int = 0,
    progress: bool = False,
) -> int:
    """Writes the recordings of a folder into shards: mono FLAC of 16 bits at one rate, and their texts.

    What can't be used is skipped, counted in a warning and named in `skipped.txt`, as by
    [`AudioCorpus.prepare`][priordiff.audio.AudioCorpus.prepare]. An interrupted call goes on behind the last
    whole shard. Needs the extra `shards`.

    Args:
        directory: LJSpeech's layout, or any folder of audio files.
        output: folder of the shards; made where it is missing.
        sample_rate: of the shards in Hz; other rates are resampled.
        min_seconds: recordings that are shorter are skipped.
        peak: each recording is scaled to this largest absolute sample; None: unscaled.
        max_bytes: size of a shard.
        num_workers: processes that decode, resample and encode.
        progress: whether to show a progress bar, if there is a terminal.

    Returns:
        How many recordings the folder's shards hold.

    Raises:
        FileNotFoundError: there is no such folder, or no audio in it.
        ValueError: a setting is out of range, the output has shards of other settings, or none of the files
            is usable.
        OSError: a shard can't be written; those before it are kept.

    Example:
        >>> import tempfile, torch
        >>> from priordiff.audio import write_audio
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_audio(folder / "noise.wav", 0.1 * torch.randn(44100), sample_rate=44100)
        >>> make_audio_shards(folder, folder / "shards", sample_rate=22050)
        1
        >>> sorted(path.name for path in (folder / "shards").iterdir())
        ['shard-000000.npz', 'shard-000000.tar', 'skipped.txt']
    """
    settings = CacheSettings(sample_rate, min_seconds, peak)
    sources, skipped = find_audio(directory)
    about = {"sample_rate": sample_rate, "peak": peak}
    with ShardWriter(output, about, max_bytes) as writer:
        left = [source for source in sources if sample_key(source.name) not in writer.keys]
        # In the order of the sources, however many processes there are, and only a few of them ahead.
        loader: DataLoader[Any] = DataLoader(
            _Encoded(left, settings), batch_size=None, num_workers=num_workers
        )
        bar = tqdm(loader, "writing shards", len(left), disable=None if progress else True)
        for source, encoded in zip(left, bar, strict=True):
            if isinstance(encoded, str):
                skipped.append(encoded)
            elif sample_key(source.name) in writer.keys:
                skipped.append(f"{source.path} is a second recording named {source.name}")
            else:
                data, length = encoded
                text = {} if source.text is None else {"txt": source.text.encode()}
                writer.write(sample_key(source.name), {"flac": data, **text}, length)
        total = len(writer.keys)
    listed = Path(output) / _SKIPPED
    write_text(listed, "".join(f"{line}\n" for line in skipped))
    if not total:
        raise ValueError(f"none of the audio files in {directory} can be used; the first: {skipped[0]}")
    if skipped:
        _logger.warning("skipped %d recordings, named with the reasons in %s", len(skipped), listed)
    return total


def index_audio_shards(folder: str | os.PathLike[str], sample_rate: int) -> list[str]:
    """Makes the tables of shards of recordings that come from elsewhere, which training needs.

    Each sample has one wav, flac, ogg or mp3 file, and perhaps a `.txt` with what is said. Samples without
    audio at this rate are passed over in training.

    Args:
        folder: of the shards.
        sample_rate: of the recordings in Hz.

    Returns:
        A line with the reason for each shard that is damaged, which gets no table.

    Raises:
        OSError: a table can't be written.
    """
    soundfile = require("soundfile", "audio")

    def length(members: Mapping[str, bytes]) -> int:
        for extension, data in members.items():
            if f".{extension}" in AUDIO_EXTENSIONS:
                try:
                    info = soundfile.info(io.BytesIO(data))
                except (soundfile.SoundFileError, RuntimeError) as error:
                    raise ValueError("no audio") from error
                return info.frames if info.samplerate == sample_rate else -1
        return -1

    return index_shards(folder, length, {"sample_rate": sample_rate})


class _Encoded(Dataset[tuple[bytes, int] | str]):
    """What becomes of each recording: its file and its length, or the reason why it can't be used."""

    def __init__(self, sources: list[AudioSource], settings: CacheSettings) -> None:
        self.sources, self.settings = sources, settings

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> tuple[bytes, int] | str:
        try:
            waveform, peak = read_usable(self.sources[index].path, self.settings)
        except (OSError, ValueError) as error:
            return " ".join(str(error).split())
        scaled = waveform if self.settings.peak is None else waveform * (self.settings.peak / peak)
        return encode_audio(scaled, self.settings.sample_rate, ".flac"), len(waveform)
