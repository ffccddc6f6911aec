"""The sentences that come with the benchmarks."""

from __future__ import annotations

from pathlib import Path

__all__ = ["lines_of"]


def lines_of(file: str | Path) -> list[str]:
    """Lines that are neither empty nor comments.

    Args:
        file: a path, or the name of one of this folder.
    """
    lines = (Path(__file__).parent / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
