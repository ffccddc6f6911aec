"""Text to the phonemes that a model has learned."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from priordiff.audio.pauses import BLANK, MARKS, PAUSE, SILENT
from priordiff.audio.phonemes import STRESS_MARKS, phonemes_if_any
from priordiff.audio.symbols import SymbolTable
from priordiff.audio.text import in_words, sentences_of

__all__ = ["each_spoken_sentence", "known_phonemes", "spoken_sentences", "spoken_symbols"]


def spoken_sentences(text: str, table: SymbolTable, voice: str = "en-us") -> list[list[str]]:
    """The phonemes of each sentence of a text, among those that a model has learned.

    Sentences are split ([`sentences_of`][priordiff.audio.sentences_of]), written in words
    ([`in_words`][priordiff.audio.in_words]), and turned into phonemes by espeak-ng
    ([`phonemes_of`][priordiff.audio.phonemes_of]), between a pause at the beginning and the mark of the end.
    A sentence without a sound is left out, and what a model has not learned is replaced as `known_phonemes`
    says; if nothing is left of a sentence, so is that.

    Args:
        text: of any length.
        table: of the model.
        voice: of espeak-ng, whose language and accent count.

    Raises:
        ImportError: `priordiff[text]` is not installed.
        ValueError: nothing in the text can be spoken, or the voice is unknown.

    Example:
        >>> table = SymbolTable(["_", " ", ".", "!", "h", "aɪ", "j", "uː"])
        >>> spoken_sentences("Hi you! Hi.", table)
        [['_', 'h', 'aɪ', ' ', 'j', 'uː', '!'], ['_', 'h', 'aɪ', '.']]
    """
    return list(each_spoken_sentence(text, table, voice))


def each_spoken_sentence(text: str, table: SymbolTable, voice: str = "en-us") -> Iterator[list[str]]:
    """Yields what `spoken_sentences` lists, each sentence when it is asked for.

    Of a long text the first sentence can be heard long before the last one has been read.

    Args:
        text: of any length.
        table: of the model.
        voice: of espeak-ng.

    Raises:
        ImportError: `priordiff[text]` is not installed.
        ValueError: the voice is unknown, or, at the end, nothing in the text can be spoken.

    Example:
        >>> table = SymbolTable(["_", " ", ".", "!", "h", "aɪ", "j", "uː"])
        >>> next(each_spoken_sentence("Hi you! Hi.", table))
        ['_', 'h', 'aɪ', ' ', 'j', 'uː', '!']
    """
    nothing = True
    for phonemes in _each_in_symbols(text, voice):
        known = known_phonemes(phonemes, table)
        if SILENT.issuperset(known):
            continue
        nothing = False
        yield known
    if nothing:
        raise ValueError(
            f"the model has learned no phoneme of {text[:60]!r}, expected a text in its language (it knows "
            f"{' '.join(table.symbols)})"
        )


def spoken_symbols(text: str, voice: str = "en-us") -> list[list[str]]:
    """The phonemes of each sentence of a text, for a model that knows every phoneme.

    Otherwise as [`spoken_sentences`][priordiff.audio.spoken_sentences].

    Args:
        text: of any length.
        voice: of espeak-ng, whose language and accent count.

    Raises:
        ImportError: `priordiff[text]` is not installed.
        ValueError: nothing in the text can be spoken, or the voice is unknown.

    Example:
        >>> spoken_symbols("Hi you!")
        [['_', 'h', 'ˈaɪ', ' ', 'j', 'uː', '!']]
    """
    return list(_each_in_symbols(text, voice))


def _each_in_symbols(text: str, voice: str) -> Iterator[list[str]]:
    nothing = True
    for sentence in sentences_of(text, language=voice):
        words = in_words(sentence, voice)
        has_sound = any(character.isalnum() for character in words)
        phonemes = phonemes_if_any(words, voice) if has_sound else []
        if phonemes:
            nothing = False
            end = [] if phonemes[-1] in MARKS else ["."]
            yield [PAUSE, *phonemes, *end]
    if nothing:
        raise ValueError(f"nothing in {text[:60]!r} can be spoken, expected words")


def known_phonemes(phonemes: list[str], table: SymbolTable) -> list[str]:
    """Replaces what a model has not learned by what is nearest.

    A vowel has the other stress, or none; a mark becomes a pause. What is left, such as blanks for a model of
    speech without pauses between words, is dropped, phonemes with a warning.
    """
    known: list[str] = []
    lost: dict[str, None] = {}
    for phoneme in phonemes:
        nearest = next((each for each in _nearest(phoneme) if each in table), None)
        if nearest is not None:
            known.append(nearest)
        elif phoneme not in BLANK + MARKS:
            lost[phoneme] = None
    if lost:
        warnings.warn(f"left out {' '.join(lost)}: phonemes that the model has not learned", stacklevel=3)
    return known


def _nearest(phoneme: str) -> Iterator[str]:
    yield phoneme
    if phoneme in MARKS:
        yield PAUSE
        return
    plain = phoneme.lstrip(STRESS_MARKS)
    yield from (mark + plain for mark in STRESS_MARKS)
    yield plain
    if plain.endswith("ː"):
        yield from (mark + plain[:-1] for mark in ("", *STRESS_MARKS))
