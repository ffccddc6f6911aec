"""Alignments in Praat's TextGrids, which forced aligners write."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from priordiff._extra import require
from priordiff.audio.alignment import Alignment
from priordiff.audio.pauses import PAUSE
from priordiff.files import atomic_path

__all__ = ["read_textgrid", "write_textgrid"]

# What the Montreal Forced Aligner and others write where nothing is said.
_SILENCES = frozenset({"", "sil", "sp", "<eps>", "<p:>", "_"})


def read_textgrid(path: str | os.PathLike[str], tier: str = "phones") -> Alignment:
    """Reads an alignment from a TextGrid, as the Montreal Forced Aligner writes it.

    Args:
        path: of the file, in either of Praat's two text formats.
        tier: name of the interval tier that has the phonemes.

    Returns:
        The alignment; neighbouring intervals of silence are one pause, and gaps are pauses.

    Raises:
        ImportError: `priordiff[audio]` is not installed.
        FileNotFoundError: there is no such file.
        ValueError: it is no TextGrid, or has no such tier, or nothing in it.
    """
    textgrid = require("praatio.textgrid", "audio")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no TextGrid {path}")
    try:
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="silence")
    # A damaged file raises whatever the parser comes across.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} is no TextGrid that can be read ({reason}): align it anew") from error
    if tier not in grid.tierNames:
        known = ", ".join(map(repr, grid.tierNames))
        raise ValueError(f"{path} has the tiers {known}, expected one that is called {tier!r}")
    intervals = grid.getTier(tier)
    if not isinstance(intervals, textgrid.IntervalTier):
        raise ValueError(f"{path} has points in its tier {tier!r}, expected intervals")
    symbols: list[str] = []
    starts: list[float] = []
    for interval in intervals.entries:
        symbol = PAUSE if interval.label.strip() in _SILENCES else interval.label.strip()
        if symbol == PAUSE and symbols and symbols[-1] == PAUSE:
            continue
        symbols.append(symbol)
        starts.append(float(interval.start) if starts else 0.0)
    if not symbols:
        raise ValueError(f"{path} has nothing in its tier {tier!r}: align the recording anew")
    return Alignment(tuple(symbols), tuple(starts), float(grid.maxTimestamp))


def write_textgrid(
    path: str | os.PathLike[str], alignment: Alignment, words: Sequence[tuple[str, float, float]] = ()
) -> None:
    """Writes an alignment as a TextGrid, whole or not at all.

    A pause is an interval without a label, or with the mark that it is named after; a phoneme without
    duration has none.

    Args:
        path: of the file.
        alignment: of the recording beside it.
        words: text, start and end in seconds of each word, for a tier of their own.

    Raises:
        ImportError: `priordiff[audio]` is not installed.
        OSError: the file can't be written.
    """
    textgrid = require("praatio.textgrid", "audio")
    grid = textgrid.Textgrid(0, alignment.end)
    times = [*alignment.starts, alignment.end]
    phones = [
        (times[index], times[index + 1], symbol)
        for index, symbol in enumerate(alignment.symbols)
        if symbol != PAUSE and times[index] < times[index + 1]
    ]
    tiers = {"words": [(start, end, text) for text, start, end in words]} if words else {}
    tiers["phones"] = phones
    for name, intervals in tiers.items():
        grid.addTier(textgrid.IntervalTier(name, intervals, 0, alignment.end))
    with atomic_path(Path(path)) as partial:
        grid.save(str(partial), format="long_textgrid", includeBlankSpaces=True, reportingMode="silence")
