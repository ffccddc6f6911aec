"""Reading and writing audio files."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priordiff._extra import require
from priordiff.corpora import check_readable
from priordiff.files import atomic_path

__all__ = [
    "AUDIO_EXTENSIONS",
    "audio_writer",
    "decode_audio",
    "encode_audio",
    "read_audio",
    "write_audio",
]

AUDIO_EXTENSIONS = (".flac", ".mp3", ".ogg", ".wav")
"""File names that end so are recordings."""

# Other numbers come from damaged headers, and resampling from them takes gigabytes.
_FILE_RATES = (1_000, 1_000_000)

# Samples that are encoded at once: a minute or two of them overflow the stack of libsndfile's Vorbis encoder.
_BLOCK = 65_536


def read_audio(path: str | os.PathLike[str], sample_rate: int) -> Tensor:
    """Reads an audio file as a mono waveform: its channels are averaged, then resampled to the given rate.

    Args:
        path: a wav, flac, ogg or mp3 file of any sample rate and width.
        sample_rate: the wanted rate in Hz.

    Returns:
        The waveform, float32 (N,); full scale is ±1.

    Raises:
        FileNotFoundError: there is no such file, or it is a link to one that is missing.
        PermissionError: the file may not be read.
        ValueError: the file cannot be decoded, is empty by its header, has an impossible sample rate, or
            holds NaN or infinite samples.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "tone.flac"
        >>> write_audio(path, torch.sin(torch.arange(4410) * 0.1), 44100)
        >>> read_audio(path, 22050).shape
        torch.Size([2205])
    """
    path = Path(path)
    check_readable(path, "audio")  # libsndfile would call it a "system error"
    return _decode(_name(path), str(path), path.stat().st_size, sample_rate)


def decode_audio(data: bytes, name: str, sample_rate: int, start: int = 0, length: int = -1) -> Tensor:
    """Reads an audio file that is in memory, as `read_audio` reads one on a disk.

    Args:
        data: a wav, flac, ogg or mp3 file of any sample rate and width.
        name: where it comes from, for messages.
        sample_rate: the wanted rate in Hz.
        start: first sample that is decoded, at the file's own rate.
        length: how many are decoded, at the file's own rate; −1: up to the end.

    Returns:
        The waveform, float32 (N,); full scale is ±1.

    Raises:
        ValueError: the file cannot be decoded, is empty by its header, has an impossible sample rate, or
            holds NaN or infinite samples.

    Example:
        >>> data = encode_audio(torch.sin(torch.arange(4410) * 0.1), 44100, ".flac")
        >>> decode_audio(data, "tone.flac", 44100, start=100, length=50).shape
        torch.Size([50])
    """
    return _decode(io.BytesIO(data), name, len(data), sample_rate, start, length)


def _decode(
    file: Any, name: str, num_bytes: int, sample_rate: int, start: int = 0, length: int = -1
) -> Tensor:
    soundfile, torchaudio = require("soundfile", "audio"), require("torchaudio", "audio")
    try:
        samples, file_rate = soundfile.read(file, length, start, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, MemoryError) as error:
        reason = " ".join(str(getattr(error, "error_string", error)).split())
        raise ValueError(f"{name} cannot be decoded as wav, flac, ogg or mp3: {reason}") from error
    if len(samples) == 0:
        raise ValueError(
            f"{name} is empty by its header, which announces no samples in {num_bytes} bytes: if "
            "there are any, write the file anew with a program that looks for them, such as ffmpeg -i IN OUT"
        )
    if not _FILE_RATES[0] <= file_rate <= _FILE_RATES[1]:
        raise ValueError(
            f"{name} has a sample rate of {file_rate} Hz by its header, expected {_FILE_RATES[0]} to "
            f"{_FILE_RATES[1]} Hz: correct the header"
        )
    waveform = torch.from_numpy(samples).mean(dim=1)
    if not torch.isfinite(waveform).all():
        raise ValueError(f"{name} holds NaN or infinite samples")
    # The resampling kernel grows with both terms of the reduced ratio: gigabytes for a rate such as 44,099
    # Hz. Every common pair of rates has a denominator below 1,000; an odd one is met within 0.05 %, a cent of
    # pitch.
    ratio = Fraction(file_rate, sample_rate).limit_denominator(1000)
    return torchaudio.functional.resample(waveform, ratio.numerator, ratio.denominator)


def write_audio(path: str | os.PathLike[str], waveform: Tensor, sample_rate: int) -> None:
    """Writes a mono waveform atomically, in the format that the file's extension names.

    wav and flac are written with 16 bits; samples beyond ±1 are clipped.

    Args:
        path: the file to create or replace: .wav, .flac, .ogg or .mp3.
        waveform: (N,), on any device; full scale is ±1.
        sample_rate: in Hz.

    Raises:
        ValueError: the extension is unknown, the format does not have the sample rate, or the waveform is not
            one finite row of samples.
        OSError: the file cannot be written; nothing is left behind.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "noise.wav"
        >>> write_audio(path, 0.1 * torch.randn(100), sample_rate=22050)
        >>> len(read_audio(path, 22050))
        100
    """
    path = Path(path)
    encoded = _encode(waveform, sample_rate, path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)


def encode_audio(waveform: Tensor, sample_rate: int, extension: str) -> bytes:
    """A mono waveform as an audio file in memory, as `write_audio` writes one.

    Args:
        waveform: (N,), on any device; full scale is ±1.
        sample_rate: in Hz.
        extension: of the format: .wav, .flac, .ogg or .mp3.

    Raises:
        ValueError: the extension is unknown, the format does not have the sample rate, or the waveform is not
            one finite row of samples.

    Example:
        >>> encode_audio(0.1 * torch.randn(100), 22050, ".flac")[:4]
        b'fLaC'
    """
    return _encode(waveform, sample_rate, Path(f"audio{extension}"))


def _encode(waveform: Tensor, sample_rate: int, path: Path) -> bytes:
    # In memory: libsndfile reports a full disk as an unspecific error, Python's own write names it.
    encoded = io.BytesIO()
    with _encoder(encoded, path, sample_rate) as file:
        _write(file, path, waveform)
    return encoded.getvalue()


@contextmanager
def audio_writer(path: str | os.PathLike[str], sample_rate: int) -> Iterator[Callable[[Tensor], None]]:
    """Yields a function that appends a piece of a mono waveform (N,) to an audio file.

    What is written is on the disk, not in memory. The file is there once all is: as with `write_audio`, it
    is whole or not there.

    Args:
        path: the file to create or replace: .wav, .flac, .ogg or .mp3.
        sample_rate: in Hz.

    Raises:
        ValueError: the extension is unknown, the format does not have the sample rate, or a piece is not
            one finite row of samples.
        OSError: the file cannot be written; nothing is left behind.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "noise.flac"
        >>> with audio_writer(path, sample_rate=22050) as write:
        ...     for _ in range(3):
        ...         write(0.1 * torch.randn(100))
        >>> len(read_audio(path, 22050))
        300
    """
    soundfile = require("soundfile", "audio")
    path = Path(path)
    _encoder(io.BytesIO(), path, sample_rate).close()  # an error if it can't be encoded
    with atomic_path(path) as temporary:
        temporary.touch()  # if it can't be made, libsndfile says "System error" alone
        try:
            with _encoder(_name(temporary), path, sample_rate) as file:
                yield partial(_write, file, path)
        except soundfile.SoundFileError as error:
            raise OSError(str(getattr(error, "error_string", error))) from error


def _encoder(target: Any, path: Path, sample_rate: int) -> Any:
    """What encodes in the format that the extension of `path` names."""
    soundfile = require("soundfile", "audio")
    extension = path.suffix.lower()
    if extension not in AUDIO_EXTENSIONS:
        raise ValueError(f"cannot write {path}: its extension must be one of {', '.join(AUDIO_EXTENSIONS)}")
    subtype = "PCM_16" if extension in (".wav", ".flac") else None
    try:
        return soundfile.SoundFile(target, "w", sample_rate, 1, subtype, format=extension[1:].upper())
    except soundfile.LibsndfileError as error:
        if not isinstance(target, io.BytesIO):
            raise
        raise ValueError(f"cannot write {path} at {sample_rate} Hz: {error.error_string}") from error


def _write(file: Any, path: Path, waveform: Tensor) -> None:
    if waveform.ndim != 1:
        raise ValueError(f"cannot write {path}: a waveform has shape (N,), got {tuple(waveform.shape)}")
    if not torch.isfinite(waveform).all():
        raise ValueError(f"cannot write {path}: the waveform holds NaN or infinite samples")
    for block in waveform.detach().to("cpu", torch.float32).split(_BLOCK):
        file.write(block.numpy())


def _name(path: Path) -> Any:
    # Of a name that is no UTF-8, soundfile takes the bytes alone.
    return path if os.name == "nt" else os.fsencode(path)
