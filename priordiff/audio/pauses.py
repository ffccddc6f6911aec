"""What pauses are called: after the marks that are written there."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

__all__ = ["BLANK", "MARKS", "PAUSE", "SILENT", "joined_pause", "named_pauses"]

PAUSE = "_"
BLANK = " "
MARKS = ",;:.!?"
SILENT = frozenset(PAUSE + BLANK + MARKS)


def joined_pause(first: str, second: str) -> str:
    """The name of two pauses that follow each other: that of a mark if there is one, else of a blank."""
    return min((first, second), key=lambda pause: (pause not in MARKS, pause != BLANK))


def named_pauses(symbols: Sequence[str], written: Sequence[str]) -> list[str]:
    """Gives pauses the names of the marks that are written in their places.

    Args:
        symbols: phonemes and pauses, as they were spoken.
        written: phonemes, blanks and marks, as [`phonemes_of`][priordiff.audio.phonemes_of] has them, which
            may differ a little from what was spoken.

    Returns:
        The symbols; a pause after a phoneme that a mark follows where it is written bears that mark.

    Example:
        >>> named_pauses(["_", "h", "aɪ", "_", "j", "uː", "_"], ["h", "aɪ", ",", "j", "uː", "!"])
        ['_', 'h', 'aɪ', ',', 'j', 'uː', '!']
    """
    spoken = [index for index, symbol in enumerate(symbols) if symbol != PAUSE]
    sounding = [index for index, symbol in enumerate(written) if symbol not in BLANK + MARKS]
    matcher = SequenceMatcher(
        None, [symbols[index] for index in spoken], [written[index] for index in sounding], autojunk=False
    )
    named = list(symbols)
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            here, there = spoken[block.a + offset] + 1, sounding[block.b + offset] + 1
            is_pause = here < len(symbols) and symbols[here] == PAUSE
            if is_pause and there < len(written) and written[there] in MARKS:
                named[here] = written[there]
    return named
