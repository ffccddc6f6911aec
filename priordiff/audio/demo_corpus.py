"""Speech corpora that every machine can make for itself: shipped sentences, spoken by synthetic voices."""

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

from priordiff.audio.alignment import Alignment
from priordiff.audio.files import write_audio
from priordiff.audio.textgrid import write_textgrid
from priordiff.audio.voices import EspeakVoice, Voice
from priordiff.files import remove_partials, write_text

__all__ = ["DEMO_VOICES", "make_corpus", "shipped_sentences", "speakers_of"]

_logger = logging.getLogger(__name__)

_MARKER = "corpus.json"
_VERSION = 4
_NOISE_RMS = 10 ** (-60 / 20)
_SPEECH_GAIN = 0.9
# Consecutive sentences change the speaker, every round of speakers the rate, every round of rates the pitch.
_SPEAKERS = (
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
DEMO_VOICES = tuple(
    EspeakVoice(speaker, rate, pitch) for pitch in _PITCHES for rate in _RATES for speaker in _SPEAKERS
)


def shipped_sentences(more: bool = False) -> list[str]:
    """The English sentences that come with the package, written for it.

    Args:
        more: whether to have all of them, some two hours of speech, where those of the demo take 25 minutes.

    Example:
        >>> len(shipped_sentences()), len(shipped_sentences(more=True)) > 2000
        (428, True)
    """
    names = ["sentences.txt", "more_sentences.txt"] if more else ["sentences.txt"]
    files = [importlib.resources.files("priordiff.audio").joinpath(name) for name in names]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def make_corpus(
    directory: str | os.PathLike[str],
    sentences: Sequence[str] | None = None,
    progress: bool = False,
    voices: Sequence[Voice] = DEMO_VOICES,
) -> Path:
    """Makes a synthetic speech corpus in LJSpeech's layout, unless the directory holds it already.

    `metadata.csv` (`id|text|normalised text`), `wavs/ID.wav` (the voice's rate, 16 bits, mono), over white
    noise of −60 dBFS RMS, `textgrids/ID.TextGrid`, which says when each phoneme sounds and which Praat shows,
    and `corpus.json`, which names the voices with their licences. The files are the
    same, byte for byte, wherever the same versions of this package, of the voices and of numpy make them, as
    far as the voices are deterministic. An interrupted call is continued by the next one; a corpus made with
    other settings or versions is replaced.

    Args:
        directory: where the corpus is or will be.
        sentences: what is spoken, one utterance each; by default those shipped for the demo, 25 minutes.
        progress: whether to show a progress bar, if there is a terminal.
        voices: that take turns, one sentence each; by default eight of espeak-ng's, embedded, at three rates
            and three pitches. `KokoroVoice` and `JoeVoice` are natural ones.

    Returns:
        The directory.

    Raises:
        ImportError: `priordiff[audio]` is not installed.
        ValueError: a sentence is blank or holds a bar or a line break, or there is no voice.
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
    if not voices:
        raise ValueError("voices is empty: expected at least one")
    recipe = _recipe(sentences, voices)
    made = _read_marker(directory)
    if made == {**recipe, "complete": True}:
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    if made is None and any(not path.name.startswith(".") for path in directory.iterdir()):
        raise FileExistsError(f"{directory} holds other files: name an empty or new folder for the corpus")
    wavs, grids = directory / "wavs", directory / "textgrids"
    if made != {**recipe, "complete": False}:
        outdated = [*wavs.glob("demo-*.wav"), *grids.glob("demo-*.TextGrid")]
        for file in [directory / "metadata.csv", *outdated]:
            file.unlink(missing_ok=True)
        write_text(directory / _MARKER, json.dumps({**recipe, "complete": False}, indent=2))
    for folder in (wavs, grids):
        folder.mkdir(exist_ok=True)
    for folder in (directory, wavs, grids):
        remove_partials(folder, shared=True)
    _logger.info("making a corpus of %d utterances in %s", len(sentences), directory)
    for index, sentence in enumerate(tqdm(sentences, "speaking", disable=None if progress else True)):
        path = wavs / f"{_name(index)}.wav"
        if not path.exists():
            utterance = voices[index % len(voices)].speak(sentence)
            write_textgrid(grids / f"{_name(index)}.TextGrid", Alignment.of_utterance(utterance))
            write_audio(path, _over_noise(utterance.waveform, index), utterance.sample_rate)
    rows = "".join(f"{_name(index)}|{sentence}|{sentence}\n" for index, sentence in enumerate(sentences))
    write_text(directory / "metadata.csv", rows)
    write_text(directory / _MARKER, json.dumps({**recipe, "complete": True}, indent=2))
    return directory


def speakers_of(directory: str | os.PathLike[str]) -> dict[str, str]:
    """Who speaks each recording of a corpus that `make_corpus` has made.

    Args:
        directory: the corpus.

    Returns:
        The voice by the recording's name: of espeak-ng's, whatever their rate and pitch, the voice alone.
        Empty for other corpora.

    Example:
        >>> import tempfile
        >>> voices = [EspeakVoice("en-us", 160), EspeakVoice("en+f3"), EspeakVoice("en-us", 180)]
        >>> directory = make_corpus(tempfile.mkdtemp(), ["Hello.", "How are you?", "Fine."], voices=voices)
        >>> speakers_of(directory)
        {'demo-0001': 'en-us', 'demo-0002': 'en+f3', 'demo-0003': 'en-us'}
    """
    made = _read_marker(Path(directory))
    if made is None:
        return {}
    voices = [name.split()[0] for name in made["voices"]]
    names = sorted(path.stem for path in (Path(directory) / "wavs").glob("demo-*.wav"))
    return {name: voices[(int(name.removeprefix("demo-")) - 1) % len(voices)] for name in names}


def _name(index: int) -> str:
    return f"demo-{index + 1:04d}"


def _over_noise(waveform: Tensor, seed: int) -> Tensor:
    noise = np.random.default_rng(seed).standard_normal(len(waveform))
    return _SPEECH_GAIN * waveform + _NOISE_RMS * torch.from_numpy(noise)


def _recipe(sentences: Sequence[str], voices: Sequence[Voice]) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "voices": [voice.name for voice in voices],
        "licenses": sorted({voice.license for voice in voices}),
        "noise_rms": _NOISE_RMS,
        "speech_gain": _SPEECH_GAIN,
        "espeakng_loader": importlib.metadata.version("espeakng-loader"),
        "sentences": hashlib.sha256("\n".join(sentences).encode()).hexdigest(),
    }


def _read_marker(directory: Path) -> dict[str, Any] | None:
    """What `make_corpus` has noted of the corpus that is there; None for what it has not made."""
    try:
        made = json.loads((directory / _MARKER).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    is_ours = isinstance(made, dict) and {"version", "voices", "sentences"} <= made.keys()
    return made if is_ours else None
