"""Words to phonemes, with the marks between them that are heard."""

from __future__ import annotations

import re

from priordiff.audio.espeak import separate_phonemes
from priordiff.audio.pauses import BLANK, MARKS

__all__ = ["STRESS_MARKS", "phonemes_if_any", "phonemes_of"]

STRESS_MARKS = "ˈˌ"

_CLAUSES = re.compile(rf"\s*([{MARKS}]+)\s*")


def phonemes_of(text: str, voice: str = "en-us") -> list[str]:
    """The phonemes of a text, by espeak-ng, in the International Phonetic Alphabet.

    Args:
        text: in the voice's language. Where it is not yet in words, espeak-ng reads digits and abbreviations
            in its own way.
        voice: a voice of espeak-ng, whose language and accent count.

    Returns:
        One string for each phoneme, with the stress mark in front of a stressed vowel. Words are separated by
        `" "`, clauses by the first of the punctuation marks that stand there; a last mark is kept, one that
        precedes all words is not.

    Raises:
        ImportError: `espeakng-loader` is not installed.
        ValueError: the voice is unknown, or nothing in the text can be spoken.

    Example:
        >>> phonemes_of("Hello, you two!")
        ['h', 'ə', 'l', 'ˈoʊ', ',', 'j', 'uː', ' ', 't', 'ˈuː', '!']
    """
    if spoken := phonemes_if_any(text, voice):
        return spoken
    raise ValueError(f"espeak-ng finds nothing to speak in {text!r}")


def phonemes_if_any(text: str, voice: str = "en-us") -> list[str]:
    """What `phonemes_of` returns, or nothing where nothing in the text can be spoken."""
    pieces = _CLAUSES.split(text)
    spoken: list[str] = []
    for clause, punctuation in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        words = separate_phonemes(clause, voice)
        if words and spoken and spoken[-1] not in MARKS:
            spoken.append(BLANK)
        for index, word in enumerate(words):
            spoken += [BLANK, *word] if index else word
        if punctuation and spoken and spoken[-1] not in MARKS:
            spoken.append(punctuation[0])
    return spoken
