"""Where commands write, and how they tell of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from priordiff.audio import AUDIO_EXTENSIONS

__all__ = ["audio_destinations", "printable"]

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
    if path.is_dir() or output.endswith(("/", os.sep)) or not path.suffix:
        chosen: list[Path] = []
        for name in names:
            free = (each for each in _candidates(path, name or _NAMELESS) if each not in chosen)
            chosen.append(next(each for each in free if not os.path.lexists(each)))
        return chosen
    if path.suffix.lower() not in AUDIO_EXTENSIONS:
        raise ValueError(
            f"--output {output}: the extension {path.suffix} is unknown, expected one of "
            f"{', '.join(AUDIO_EXTENSIONS)} for a file, or a / at the end of a folder"
        )
    if len(names) > 1:
        raise ValueError(f"{len(names)} texts don't go into one file: give a folder instead of {output}")
    return [path]


def printable(path: Path) -> str:
    """A path for standard output, which refuses the bytes that are no UTF-8 in a name."""
    return str(path).encode(errors="backslashreplace").decode()


def _candidates(folder: Path, name: str) -> Iterator[Path]:
    yield folder / f"{name}.wav"
    yield from (folder / f"{name}-{number}.wav" for number in count(2))
