"""Listing the files of a folder."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Container
from pathlib import Path

__all__ = ["list_files"]


def list_files(directory: str | os.PathLike[str], extensions: Container[str]) -> tuple[list[Path], list[str]]:
    """Lists the files of some kinds in a folder at any depth.

    Links to folders are followed; a folder that is reached in several ways, or by a loop of links, is listed
    once, under its real place if it lies in `directory`. Hidden files and folders are passed over. A link to
    a file of these kinds that is missing is listed, so that whoever reads it can name it.

    Args:
        directory: where to look.
        extensions: of the files' names, in lower case, with the dot.

    Returns:
        The files, sorted, and a line with the reason for each folder that cannot be listed.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "birds" / ".Trash").mkdir(parents=True)
        >>> for name in ("birds/Robin.FLAC", "birds/._Robin.FLAC", "birds/.Trash/wren.wav", "notes.txt"):
        ...     (folder / name).touch()
        >>> files, problems = list_files(folder, [".flac", ".wav"])
        >>> [path.relative_to(folder).as_posix() for path in files], problems
        (['birds/Robin.FLAC'], [])
    """
    found: list[Path] = []
    problems: list[str] = []
    entered: set[tuple[int, int]] = set()

    def report(error: OSError) -> None:
        problems.append(f"the folder {error.filename} cannot be listed: {error.strerror}")

    # The links wait until all real folders are listed: a link never renames the files that they hold.
    roots = deque([Path(directory)])
    while roots:
        for folder, subfolders, names in os.walk(roots.popleft(), onerror=report):
            status = os.stat(folder)
            identity = (status.st_dev, status.st_ino)
            if identity in entered:
                subfolders.clear()
                continue
            entered.add(identity)
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            roots.extend(path for name in subfolders if (path := Path(folder, name)).is_symlink())
            # macOS leaves a "._NAME.wav" that is no audio beside each NAME.wav on foreign disks.
            visible = [Path(folder, name) for name in names if not name.startswith(".")]
            found += [path for path in visible if path.suffix.lower() in extensions]
            problems += [
                f"{path} is a link to {os.readlink(path)}, which is missing"
                for path in visible
                if not path.suffix and path.is_symlink() and not path.exists()
            ]
    return sorted(found), sorted(problems)
