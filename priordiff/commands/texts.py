"""The texts that a command is given."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Text", "given_texts"]

_STANDARD_INPUT = ["-"]


@dataclass(frozen=True)
class Text:
    """A text.

    Args:
        name: of its file, without the extension; None for a text that is no file.
        content: what it says.
    """

    name: str | None
    content: str


def given_texts(words: Sequence[str], files: Sequence[Path] | None) -> list[Text]:
    """Reads the texts that are named on a command line.

    Args:
        words: the text itself, in as many arguments as the shell made of it, or `-` for standard input.
        files: text files, instead.

    Raises:
        ValueError: if there are neither words nor files, or both, or a text is empty or not UTF-8.
        OSError: if a file can't be read.

    Example:
        >>> given_texts(["Hello,", "you", "two!"], None)
        [Text(name=None, content='Hello, you two!')]
    """
    if words and files:
        raise ValueError("a text and --file are given: only one of the two can be spoken")
    if files:
        return [Text(file.stem, _decoded(file.read_bytes(), str(file))) for file in files]
    if not words:
        raise ValueError("there is nothing to say: give a text, --file FILE, or - to read the standard input")
    if list(words) == _STANDARD_INPUT:
        content = b"" if sys.stdin is None else sys.stdin.buffer.read()  # None where it is closed
        return [Text(None, _decoded(content, "the standard input"))]
    return [Text(None, _not_empty(" ".join(words), "the text"))]


def _decoded(content: bytes, name: str) -> str:
    if b"\0" in content:
        raise ValueError(f"{name} holds zero bytes, as UTF-16 has and no UTF-8 text: save it as UTF-8")
    try:
        return _not_empty(content.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is no UTF-8 text, by its byte {error.start}: save it as UTF-8") from error


def _not_empty(text: str, name: str) -> str:
    if not text.strip():
        raise ValueError(f"{name} is empty, expected words")
    return text
