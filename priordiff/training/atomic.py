"""Files and folders that are either whole or not there, whenever the process dies."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

__all__ = ["partial_path", "publish", "remove_partials", "write_text"]

_SUFFIX = ".partial"


def partial_path(path: Path) -> Path:
    """Sibling of ``path`` in which it is written before [`publish`][priordiff.training.atomic.publish].

    Args:
        path: Where the file or folder will be.

    Returns:
        A hidden name in the same folder, hence on the same file system.

    Example:
        >>> partial_path(Path("runs/model")).as_posix()
        'runs/.model.partial'
    """
    return path.with_name(f".{path.name}{_SUFFIX}")


def publish(partial: Path, path: Path) -> None:
    """Flush a written file or folder to the disk and give it its name in one move.

    A folder that already has the name is replaced.

    Args:
        partial: What was written, beside ``path``.
        path: Its final name.

    Raises:
        OSError: If the disk can't hold it or refuses the move.
    """
    if partial.is_dir():
        for folder, _, files in os.walk(partial):
            for name in files:
                _flush(Path(folder, name))
            _flush(Path(folder))
        if path.is_dir():
            outdated = partial_path(path.with_name(f"{path.name}.outdated"))
            os.replace(path, outdated)
            os.replace(partial, path)
            shutil.rmtree(outdated)
        else:
            os.replace(partial, path)
    else:
        _flush(partial)
        os.replace(partial, path)
    _flush(path.parent)


def remove_partials(folder: Path) -> None:
    """Delete what killed processes left half-written in ``folder``.

    Args:
        folder: A folder whose content is written with [`publish`][priordiff.training.atomic.publish].
    """
    for leftover in folder.glob(f".*{_SUFFIX}"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Args:
        path: The file; its folder is made.
        text: Its content, written as UTF-8.

    Raises:
        OSError: If it can't be written; a file that was there before is kept.
    """
    partial = partial_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        publish(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise OSError(
            f"could not write {path} ({error.strerror or error}): check free space and permissions"
        ) from error


def _flush(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
