"""Pictures that tests draw for themselves."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

__all__ = ["plain"]


def plain(path: Path, colour: str | tuple[int, ...] = "red", size: tuple[int, int] = (12, 10)) -> Path:
    """A file of one colour, in a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path
