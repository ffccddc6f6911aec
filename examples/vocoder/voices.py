"""A corpus by the voices that are named on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from priordiff.audio import JoeVoice, KokoroVoice, Voice, make_corpus
from priordiff.audio.demo_corpus import shipped_sentences

__all__ = ["make_spoken_corpus"]


def make_spoken_corpus(
    directory: Path, names: Sequence[str], styles: Path, sentences: Path | None = None
) -> None:
    """Has voices read sentences in turns, into a folder in LJSpeech's layout; an interrupted call goes on.

    Args:
        directory: where the corpus is or will be.
        names: "joe", or voices of Kokoro.
        styles: of Kokoro's voices, as `KokoroVoice` takes them.
        sentences: a text file, one a line; by default all that the package ships.

    Raises:
        ImportError: the extra `voices` is not installed.
        FileNotFoundError: the styles or the sentences are not there.
        ValueError: a voice is unknown, or there is nothing to read.
        OSError: the folder can't be written.
    """
    known = {name: _voice(name, styles) for name in dict.fromkeys(names)}
    lines = shipped_sentences(more=True)
    if sentences is not None:
        lines = [line.strip() for line in sentences.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{sentences} holds no sentences, expected one a line")
    make_corpus(directory, lines, progress=True, voices=[known[name] for name in names])


def _voice(name: str, styles: Path) -> Voice:
    return JoeVoice() if name == "joe" else KokoroVoice(name, styles)
