"""Written text to sentences of words that can be spoken."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from priordiff._extra import require

__all__ = ["in_words", "sentences_of"]

# Quotation marks and dashes of typography, as a plain keyboard has them.
_PLAIN = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "‛": "'",
        "ʼ": "'",
        "´": "'",
        "`": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "…": ".",
        "‐": "-",
        "‑": "-",
        "–": "-",
        "\u00a0": " ",
        "\u202f": " ",
    }
)
_DASH = re.compile(r"\s+(?:-+\s+)+|\s*(?:—|--+)\s*")
# A row of marks leads the eye, or divides a page; the grammars would take seconds for it.
_ROW = re.compile(r"([^\w\s]|_)(?:\s?\1){3,}")
# Letters and digits that are wide, bold, in a circle or in one square, as Unicode names them.
_STYLED = ("<wide>", "<narrow>", "<font>", "<circle>", "<square>")
# Symbols that are words, unlike pictures.
_SPOKEN_SYMBOLS = frozenset("°©®™№℃℉%§")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|No|vs|e\.g|i\.e|etc|Jr|Sr|[ap]\.m)\.$"
)
# Small letters with a capital one before them at most, and the marks around: nothing that is read otherwise.
_WORD = re.compile(r"[\"'(]*(?:[IA]|[A-Z]?[a-z]+)(?:['-][a-z]+)*[,;:!?\"')]*")
_CLAUSE_END = re.compile(r"(?<=[,;:])\s+")


def in_words(text: str, language: str = "en") -> str:
    """Writes numbers, dates, times, money, units and abbreviations as the words that are spoken.

    By the grammars of NVIDIA NeMo, which the package kitten-text-processing carries. Before, quotation marks,
    dashes, letters and digits of typography become plain ones, and so do the digits of other scripts; four
    and more of the same mark become one; and what has no sound is left out: control and format characters,
    emoji and other pictures.

    Args:
        text: any text.
        language: its code, or a voice of espeak-ng, as in "en", "en-us" or "en+f3". In a language without a
            grammar, the text is cleaned alone.

    Returns:
        One line; empty if nothing is left.

    Raises:
        ImportError: `priordiff[text]` is not installed.

    Example:
        >>> in_words("It’s $12.50 😀 for 3 books.")
        "It's twelve dollars fifty cents for three books."
    """
    normaliser = require("kitten_text_processing", extra="text")
    cleaned = _cleaned(text)
    if not cleaned or _code_of(language) not in normaliser.SUPPORTED_LANGUAGES:
        return cleaned
    locale = language.partition("+")[0]
    # One sentence at a time: the grammars take longer the longer the line, and forget what precedes a stop.
    return " ".join(
        sentence if _is_in_words(sentence) else normaliser.normalize_text(sentence, locale=locale)
        for sentence in sentences_of(cleaned, language=language)
    )


def _is_in_words(sentence: str) -> bool:
    """Whether the grammars, which take tenths of a second for a sentence, would change nothing."""
    return not _ABBREVIATION.search(sentence) and all(
        _WORD.fullmatch(word) for word in sentence.removesuffix(".").split(" ")
    )


def sentences_of(text: str, longest: int = 300, language: str = "en") -> list[str]:
    """Splits a text into sentences, and long sentences where one can breathe.

    By the package sentencex of the Wikimedia Foundation, which knows the abbreviations of many languages.

    Args:
        text: with its punctuation. A blank line ends a sentence, too.
        longest: characters of a piece. Longer sentences are split at the last comma, semicolon or colon
            before that, else at the last blank, else there.
        language: its code, or a voice of espeak-ng, as in "en", "en-us" or "en+f3".

    Returns:
        The sentences in order, none of them blank.

    Raises:
        ImportError: `priordiff[text]` is not installed.
        ValueError: if `text` is no string, or `longest` is not positive.

    Example:
        >>> sentences_of("Dr. Fox is here. Is he? Yes!")
        ['Dr. Fox is here.', 'Is he?', 'Yes!']
    """
    if not isinstance(text, str):
        raise ValueError(f"text={text!r}, expected a str")
    if longest < 1:
        raise ValueError(f"longest={longest}, expected at least 1 character")
    segment = require("sentencex", extra="text").segment
    pieces: list[str] = []
    for paragraph in re.split(r"\n\s*\n", _encodable(text)):
        for sentence in segment(_code_of(language), " ".join(paragraph.split())):
            pieces += _short(sentence.strip(), longest)
    return [piece for piece in pieces if piece]


def _code_of(language: str) -> str:
    """The language alone: its country and a variant of espeak-ng's voice, as in en-us+f3, do not count."""
    return re.split("[-+]", language)[0].lower()


def _encodable(text: str) -> str:
    """Without halves of surrogate pairs, which are no characters."""
    return text.encode("utf-8", errors="ignore").decode("utf-8")


def _short(sentence: str, longest: int) -> Iterator[str]:
    while len(sentence) > longest:
        head = sentence[: longest + 1]
        ends = [match.end() for match in _CLAUSE_END.finditer(head)] or [head.rfind(" ") + 1]
        end = ends[-1] or longest
        yield sentence[:end].strip()
        sentence = sentence[end:].strip()
    yield sentence


def _cleaned(text: str) -> str:
    plain = "".join(map(_plain, unicodedata.normalize("NFC", text))).translate(_PLAIN)
    spaced = " ".join(plain.split())
    sounding = "".join(map(_sounding, _ROW.sub(r"\1", _DASH.sub(", ", spaced))))
    return " ".join(sounding.split())


def _plain(character: str) -> str:
    if character.isascii():
        return character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    is_styled = unicodedata.decomposition(character).startswith(_STYLED)
    return unicodedata.normalize("NFKC", character) if is_styled else character


def _sounding(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf" or "\ufe00" <= character <= "\ufe0f":  # inside of a word, or of a picture
        return ""
    silent = category in {"Cc", "Co", "Cs", "Cn", "Sk"} or (
        category == "So" and character not in _SPOKEN_SYMBOLS
    )
    return " " if silent else character
