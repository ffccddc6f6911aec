"""A small speech corpus that every machine can make for itself: shipped sentences, spoken by espeak-ng."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.resources
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from priordiff.audio.espeak import speak
from priordiff.audio.files import write_audio
from priordiff.files import remove_partials, write_text

__all__ = ["make_corpus", "shipped_sentences"]

_logger = logging.getLogger(__name__)

_MARKER = "corpus.json"
_VERSION = 1
_SAMPLE_RATE = 22050
_NOISE_RMS = 10 ** (-60 / 20)
_SPEECH_GAIN = 0.9
# Consecutive sentences change the voice, every round of voices the rate, every round of rates the pitch.
_VOICES = (
    "en-us",
    "en+f3",
    "en-us+m3",
    "en-us+linda",
    "en-gb-scotland+m7",
    "en-us+f2",
    "en-gb-x-rp+f5",
    "en+m5",
)
_RATES = (160, 145, 180)
_PITCHES = (50, 40, 60)


def shipped_sentences() -> list[str]:
    """The English sentences that come with the package.

    Example:
        >>> sentences = shipped_sentences()
        >>> len(sentences) > 300
        True
    """
    text = importlib.resources.files("priordiff.audio").joinpath("sentences.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def make_corpus(
    directory: str | os.PathLike[str], sentences: Sequence[str] | None = None, progress: bool = False
) -> Path:
    """Makes a synthetic speech corpus in LJSpeech's layout, unless the directory holds it already.

    `metadata.csv` (`id|text|normalised text`) and `wavs/ID.wav` (22,050 Hz, 16 bits, mono): eight voices at
    three rates and three pitches take turns, over white noise of −60 dBFS RMS. The files are the same, byte
    for byte, wherever the same versions of this package, espeakng-loader and numpy make them. An interrupted
    call is continued by the next one; a corpus made with other settings or versions is replaced.

    Args:
        directory: where the corpus is or will be.
        sentences: what is spoken, one utterance each; by default the shipped sentences, some 25 minutes.
        progress: whether to show a progress bar, if there is a terminal.

    Returns:
        The directory.

    Raises:
        ImportError: `espeakng-loader` is not installed.
        ValueError: a sentence is blank or holds a bar or a line break.
        FileExistsError: the directory holds files that this function did not make.
        OSError: the directory cannot be written; no file in it is incomplete.

    Example:
        >>> import tempfile
        >>> directory = make_corpus(tempfile.mkdtemp(), sentences=["Hello there.", "How are you?"])
        >>> sorted(path.name for path in directory.rglob("*.wav"))
        ['demo-0001.wav', 'demo-0002.wav']
    """
    directory = Path(directory)
    sentences = shipped_sentences() if sentences is None else list(sentences)
    for sentence in sentences:
        if any(mark in sentence for mark in "|\n\r") or not sentence.strip():
            raise ValueError(
                f"{sentence!r} cannot be a row of metadata.csv: it is blank or holds a bar or line break"
            )
    recipe = _recipe(sentences)
    made = _read_marker(directory)
    if made == {**recipe, "complete": True}:
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    if made is None and any(not path.name.startswith(".") for path in directory.iterdir()):
        raise FileExistsError(f"{directory} holds other files: name an empty or new folder for the corpus")
    wavs = directory / "wavs"
    if made != {**recipe, "complete": False}:
        for outdated in [directory / "metadata.csv", *wavs.glob("demo-*.wav")]:
            outdated.unlink(missing_ok=True)
        write_text(directory / _MARKER, json.dumps({**recipe, "complete": False}, indent=2))
    wavs.mkdir(exist_ok=True)
    for folder in (directory, wavs):
        remove_partials(folder, shared=True)
    _logger.info("making a corpus of %d utterances with espeak-ng in %s", len(sentences), directory)
    for index, sentence in enumerate(tqdm(sentences, "speaking", disable=None if progress else True)):
        path = wavs / f"{_name(index)}.wav"
        if not path.exists():
            write_audio(path, _utterance(index, sentence), _SAMPLE_RATE)
    rows = "".join(f"{_name(index)}|{sentence}|{sentence}\n" for index, sentence in enumerate(sentences))
    write_text(directory / "metadata.csv", rows)
    write_text(directory / _MARKER, json.dumps({**recipe, "complete": True}, indent=2))
    return directory


def _name(index: int) -> str:
    return f"demo-{index + 1:04d}"


def _utterance(index: int, sentence: str) -> Tensor:
    voices, rates, pitches = len(_VOICES), len(_RATES), len(_PITCHES)
    utterance = speak(
        sentence,
        voice=_VOICES[index % voices],
        rate=_RATES[index // voices % rates],
        pitch=_PITCHES[index // (voices * rates) % pitches],
    )
    if utterance.sample_rate != _SAMPLE_RATE:
        raise ValueError(
            f"espeak-ng speaks at {utterance.sample_rate} Hz, expected {_SAMPLE_RATE}: update espeakng-loader"
        )
    noise = np.random.default_rng(index).standard_normal(len(utterance.waveform))
    return _SPEECH_GAIN * utterance.waveform + _NOISE_RMS * torch.from_numpy(noise)


def _recipe(sentences: Sequence[str]) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "sample_rate": _SAMPLE_RATE,
        "voices": list(_VOICES),
        "rates": list(_RATES),
        "pitches": list(_PITCHES),
        "noise_rms": _NOISE_RMS,
        "speech_gain": _SPEECH_GAIN,
        "espeakng_loader": importlib.metadata.version("espeakng-loader"),
        "sentences": hashlib.sha256("\n".join(sentences).encode()).hexdigest(),
    }


def _read_marker(directory: Path) -> dict[str, Any] | None:
    try:
        return json.loads((directory / _MARKER).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
