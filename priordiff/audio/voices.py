"""What speaks a text: one interface for the embedded voices and the natural ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from priordiff.audio.espeak import speak
from priordiff.audio.pauses import named_pauses
from priordiff.audio.phonemes import phonemes_of
from priordiff.audio.utterance import Utterance

__all__ = ["EspeakVoice", "Voice"]


class Voice(Protocol):
    """Text in, waveform and exact phoneme durations out; a class needs these members, not this base.

    Attributes:
        name: of the voice, for a corpus to remember what has spoken it.
        license: under which recordings of the voice may be used.
    """

    @property
    def name(self) -> str: ...

    @property
    def license(self) -> str: ...

    def speak(self, text: str) -> Utterance:
        """Speaks a sentence; equal arguments give equal samples.

        Raises:
            ValueError: the text holds nothing to speak.
        """


@dataclass(frozen=True)
class EspeakVoice:
    """A voice of espeak-ng, with the arguments of [`speak`][priordiff.audio.speak].

    Example:
        >>> EspeakVoice("en-us+f3", rate=160).name
        'en-us+f3 160 50'
    """

    voice: str = "en-us"
    rate: int = 175
    pitch: int = 50
    license: str = "any: the speech of espeak-ng is not covered by its licence"

    @property
    def name(self) -> str:
        """Voice, rate and pitch."""
        return f"{self.voice} {self.rate} {self.pitch}"

    def speak(self, text: str) -> Utterance:
        """Speaks a text."""
        utterance = speak(text, self.voice, self.rate, self.pitch)
        symbols, starts = zip(*utterance.phonemes, strict=True)
        named = named_pauses(symbols, phonemes_of(text, self.voice))
        return replace(utterance, phonemes=list(zip(named, starts, strict=True)))
