"""Speech with its exact alignment, whatever voice has spoken it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Utterance"]


@dataclass(frozen=True)
class Utterance:
    """Synthetic speech with its exact alignment.

    Attributes:
        waveform: float32 (N,); full scale is ±1.
        sample_rate: in Hz.
        phonemes: symbol and first sample of each phoneme in order, in the International Phonetic Alphabet,
            with the stress mark in front of a stressed vowel. A pause bears the punctuation mark that is
            written there, and is `"_"` where none is, as at the beginning. The first begins at sample 0 and
            each lasts until the next, the last until the end, so the durations add up to N.
    """

    waveform: Tensor
    sample_rate: int
    phonemes: list[tuple[str, int]]
