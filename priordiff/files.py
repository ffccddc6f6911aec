"""Files and folders that are either whole or not there, whenever the process dies."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

__all__ = ["atomic_path", "make_writable", "remove_partials", "remove_whole", "write_text"]

_SUFFIX = ".partial"
_SHARED_SECONDS = 3600.0
_RECOGNISABLE = 32  # characters of a name: file systems have 255 bytes for a whole one


@contextmanager
def atomic_path(path: str | os.PathLike[str], action: str = "write") -> Iterator[Path]:
    """Yields a temporary path beside `path`; what is written there takes its place when the block ends.

    Whoever reads `path` sees the old file or folder, or the whole new one, never a part; after an exception
    nothing is left behind. Several processes may write the same path: the last one wins.

    Args:
        path: the file or folder to create or replace; the folder that it lies in must exist.
        action: what the block does to the path, for the error message.

    Raises:
        OSError: the block could not write it; the message names the path and the reason.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with atomic_path(folder / "notes.txt") as temporary:
        ...     _ = temporary.write_text("whole")
        >>> [file.name for file in folder.iterdir()]
        ['notes.txt']
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
        with suppress(FileNotFoundError):
            path.lstat()  # an error now, before there is anything to lose: such as a name that is too long
        yield temporary
        _publish(temporary, path)
    # On a full disk safetensors raises an error of its own.
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise OSError(f"could not {action} {path} ({reason}): check free space and permissions") from error
    finally:
        _remove(temporary)


def make_writable(folder: Path) -> None:
    """Makes a folder for the output of a command, unless it is there.

    Args:
        folder: what `--output` names, or a folder in it.

    Raises:
        OSError: it can't be made or written; the message says so in the terms of the command line.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "new" / "folder"
        >>> make_writable(folder)
        >>> folder.is_dir()
        True
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"could not make the folder {folder} ({error.strerror}): choose another --output"
        ) from error
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"the folder {folder} can't be written: choose another --output")


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all.

    Args:
        path: the file; its folder is made.
        text: its content, written as UTF-8 with the line ends that it has.

    Raises:
        OSError: it can't be written; a file that was there before is kept.
    """
    with atomic_path(path) as temporary:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A file's name may hold bytes that are no UTF-8; a list of such names must be written all the same.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def remove_whole(path: Path) -> None:
    """Removes a file or a folder with its content so that nobody ever sees a part of it.

    Args:
        path: what is removed.

    Raises:
        OSError: it is not there, or its folder can't be written.
    """
    outdated = _temporary(path)
    os.replace(path, outdated)
    _remove(outdated)


def remove_partials(folder: Path, shared: bool = False) -> None:
    """Removes what killed processes left half-written in a folder.

    Args:
        folder: where [`atomic_path`][priordiff.files.atomic_path] was used.
        shared: whether other processes may be writing there; then the last hour's files are left alone.
    """
    for leftover in folder.glob(f".*{_SUFFIX}"):
        with suppress(OSError):
            if not shared or time.time() - leftover.stat().st_mtime > _SHARED_SECONDS:
                _remove(leftover)


def _temporary(path: Path) -> Path:
    # A hidden name in the same folder, hence on the same file system.
    return path.with_name(f".{path.name[:_RECOGNISABLE]}.{uuid.uuid4().hex[:12]}{_SUFFIX}")


def _publish(temporary: Path, path: Path) -> None:
    if not temporary.is_dir():
        _flush(temporary)
        os.replace(temporary, path)
    else:
        for folder, _, files in os.walk(temporary):
            for name in files:
                _flush(Path(folder, name))
            _flush(Path(folder))
        # A folder that isn't empty can't be replaced, only moved away.
        if path.is_dir():
            remove_whole(path)
        os.replace(temporary, path)
    _flush(path.parent)


def _remove(path: Path) -> None:
    # In a folder that can't be written there is nothing to remove.
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _flush(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
