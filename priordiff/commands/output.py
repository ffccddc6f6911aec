"""Where commands write, and how they tell of it."""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from itertools import chain, count
from pathlib import Path

from priordiff.audio import AUDIO_EXTENSIONS

__all__ = ["audio_destinations", "free_path", "image_destination", "is_folder", "printable"]

_NAMELESS = "speech"


def audio_destinations(names: Sequence[str | None], output: str) -> list[Path]:
    """The audio file that each text is to be spoken into.

    In a folder it is the first of NAME.wav, NAME-2.wav and so on that is not there; a file that is named is
    replaced.

    Args:
        names: of the texts; None is called speech.
        output: path of an audio file, for one text, or of a folder, which need not be there.

    Raises:
        ValueError: if there are several texts for one file, or the extension is none of an audio file.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "speech.wav").touch()
        >>> [path.name for path in audio_destinations(["one", None], str(folder))]
        ['one.wav', 'speech-2.wav']
    """
    path = Path(output)
    if is_folder(output):
        chosen: list[Path] = []
        for name in names:
            first = path / f"{name or _NAMELESS}.wav"
            chosen.append(free_path(first, chosen))
        return chosen
    if path.suffix.lower() not in AUDIO_EXTENSIONS:
        raise ValueError(
            f"--output {output}: the extension {path.suffix} is unknown, expected one of "
            f"{', '.join(AUDIO_EXTENSIONS)} for a file, or a / at the end of a folder"
        )
    if len(names) > 1:
        raise ValueError(f"{len(names)} texts don't go into one file: give a folder instead of {output}")
    return [path]


def image_destination(output: str) -> tuple[Path, bool]:
    """Where images are to be written, and whether that is a folder.

    Args:
        output: path of a PNG file, or of a folder, which need not be there; empty for samples.png in the
            present folder, or the first of samples-2.png and so on that is not there.

    Raises:
        ValueError: if the extension is another.

    Example:
        >>> image_destination("sheet.png") == (Path("sheet.png"), False)
        True
    """
    if not output:
        return free_path(Path("samples.png")), False
    path = Path(output)
    if not is_folder(output) and path.suffix.lower() != ".png":
        raise ValueError(
            f"--output {output}: the extension {path.suffix} is unknown, expected .png for a sheet of all "
            "images, or a / at the end of a folder"
        )
    return path, is_folder(output)


def is_folder(output: str) -> bool:
    """Whether a path of the command line means a folder, there or not."""
    path = Path(output)
    return path.is_dir() or output.endswith(("/", os.sep)) or not path.suffix


def free_path(first: Path, taken: Container[Path] = ()) -> Path:
    """The first of NAME.EXT, NAME-2.EXT and so on that is not there.

    Args:
        first: NAME.EXT.
        taken: paths that count as there.
    """
    more = (first.with_name(f"{first.stem}-{number}{first.suffix}") for number in count(2))
    return next(path for path in chain([first], more) if path not in taken and not os.path.lexists(path))


def printable(path: Path | str) -> str:
    """A path or a name for standard output and files, which refuse the bytes that are no UTF-8 in it."""
    return str(path).encode(errors="backslashreplace").decode()
