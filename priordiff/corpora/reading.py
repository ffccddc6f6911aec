"""What is said of a file before any decoder sees it."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["check_readable"]


def check_readable(path: Path, kind: str) -> None:
    """Refuses what can't be a file to read, in clearer words than decoders have.

    Args:
        path: a file.
        kind: what it should hold, such as `"audio"`.

    Raises:
        FileNotFoundError: there is no such file, or it is a link to one that is missing.
        PermissionError: the file may not be read.

    Example:
        >>> check_readable(Path("missing.wav"), "audio")
        Traceback (most recent call last):
        FileNotFoundError: no audio file at missing.wav
    """
    if not path.is_file():
        if path.is_symlink():
            raise FileNotFoundError(f"{path} is a link to {os.readlink(path)}, which is no file or missing")
        raise FileNotFoundError(f"no {kind} file at {path}")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{path} cannot be read: change its permissions")
