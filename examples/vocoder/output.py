"""The folder that a command writes to."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["make_writable"]


def make_writable(folder: Path) -> None:
    """Makes a folder unless it is there.

    Raises:
        OSError: if it can't be made or written; the message says so in the terms of the command line.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"could not make the folder {folder} ({error.strerror}): choose another --output"
        ) from error
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"the folder {folder} can't be written: choose another --output")
