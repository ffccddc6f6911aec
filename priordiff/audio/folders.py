"""Listing the audio files of a folder."""

from __future__ import annotations

import os
from pathlib import Path

from priordiff.audio.files import AUDIO_EXTENSIONS
from priordiff.corpora import list_files

__all__ = ["audio_files"]


def audio_files(directory: str | os.PathLike[str]) -> tuple[list[Path], list[str]]:
    """Lists the wav, flac, ogg and mp3 files in a folder at any depth.

    [`list_files`][priordiff.corpora.list_files] tells what becomes of links and hidden files.

    Args:
        directory: where to look.

    Returns:
        The files, sorted, and a line with the reason for each folder that cannot be listed.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("Robin.FLAC", "._Robin.FLAC", "notes.txt"):
        ...     (folder / name).touch()
        >>> files, problems = audio_files(folder)
        >>> [path.name for path in files], problems
        (['Robin.FLAC'], [])
    """
    return list_files(directory, AUDIO_EXTENSIONS)
