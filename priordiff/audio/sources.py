"""Finding the recordings in a folder, in LJSpeech's layout or in any other."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path

from priordiff.audio.files import AUDIO_EXTENSIONS
from priordiff.audio.folders import audio_files

__all__ = ["AudioSource", "find_audio"]

_OTHER_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_QUOTED_CHARACTERS = 60


@dataclass(frozen=True)
class AudioSource:
    """An audio file that belongs to a corpus.

    Attributes:
        name: LJSpeech's ID, or the path relative to the corpus without the extension, with forward slashes;
            in Unicode's composed form (NFC), whichever form the file system keeps.
        path: the file.
        text: what is said, where a `metadata.csv` tells (the normalised text if there is one).
    """

    name: str
    path: Path
    text: str | None = None


def find_audio(directory: str | os.PathLike[str]) -> tuple[list[AudioSource], list[str]]:
    """Lists the recordings in a folder.

    With a `metadata.csv` (`id|text|normalised text`) beside a folder `wavs/`, as in LJSpeech, the recordings
    are those that it lists, and an ID is the path of a file in `wavs/` without the extension; otherwise they
    are all files that [`audio_files`][priordiff.audio.audio_files] lists.

    Args:
        directory: the corpus.

    Returns:
        The recordings, sorted by name, and a line with the reason for each that is listed but missing, and
        for each folder that cannot be listed.

    Raises:
        FileNotFoundError: there is no such folder, or it holds no audio.
        ValueError: `metadata.csv` is not UTF-8 text, or none of its lines names a file.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "birds").mkdir()
        >>> (folder / "birds" / "Robin.FLAC").touch()
        >>> sources, problems = find_audio(folder)
        >>> [source.name for source in sources], problems
        (['birds/Robin'], [])
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise FileNotFoundError(f"no folder {directory}: name a folder that holds audio files")
    metadata, wavs = directory / "metadata.csv", directory / "wavs"
    is_listed = wavs.is_dir() and os.path.lexists(metadata)
    root = wavs if is_listed else directory
    paths, problems = audio_files(root)
    sources = [AudioSource(_name(path.relative_to(root).as_posix()), path) for path in paths]
    if not sources:
        raise FileNotFoundError(
            f"no audio in {root}: looked for {', '.join(AUDIO_EXTENSIONS)} files at any depth, "
            "and for LJSpeech's layout (a metadata.csv of id|text lines beside a folder wavs)"
            + "".join(f"; {problem}" for problem in problems)
        )
    if is_listed:
        sources, missing = _listed_sources(metadata, {source.name: source for source in sources})
        problems += missing
    return sorted(sources, key=lambda source: (source.name, source.path)), problems


def _listed_sources(metadata: Path, available: dict[str, AudioSource]) -> tuple[list[AudioSource], list[str]]:
    """The recordings, of those available by name, that a `metadata.csv` lists, and what it lists in vain."""
    lines = _lines(metadata)
    listed, missing = [], []
    for number, line in enumerate(lines, start=1):
        field, *texts = (field.strip() for field in line.split("|"))
        name = _name(field)
        if name in available:
            text = next((text for text in reversed(texts[:2]) if text), None)
            listed.append(replace(available[name], text=text))
        elif line.strip():
            missing.append(
                f"line {number} of {metadata} names {_quote(f'{name}.wav')} (or "
                f"{', '.join(AUDIO_EXTENSIONS[:-1])}), which is not in {metadata.parent / 'wavs'}"
            )
    if not listed:
        first = next((line for line in lines if line.strip()), "")
        raise ValueError(
            f"no line of {metadata} names a file in {metadata.parent / 'wavs'}: expected id|text, with bars "
            f"between the fields and ids such as {_quote(min(available))}, got {_quote(first)}"
            + _separated_otherwise(lines, available)
        )
    return listed, missing


def _lines(metadata: Path) -> list[str]:
    try:
        # Reading as text turns \r\n and \r into \n; `splitlines` would split at U+2028 and others, too, which
        # belong to a transcript.
        return metadata.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{metadata} is not UTF-8 text ({error.reason} at byte {error.start}): convert it"
        ) from error


def _separated_otherwise(lines: list[str], available: Container[str]) -> str:
    for separator, plural in _OTHER_SEPARATORS.items():
        fields = (line.split(separator)[0] for line in lines if separator in line)
        if any(_name(field.strip(' "')) in available for field in fields):
            return f"; it has {plural} for bars"
    return ""


def _name(path: str) -> str:
    name = unicodedata.normalize("NFC", path)
    return name[: name.rindex(".")] if Path(name).suffix.lower() in AUDIO_EXTENSIONS else name


def _quote(text: str) -> str:
    return repr(text) if len(text) <= _QUOTED_CHARACTERS else f"{text[:_QUOTED_CHARACTERS]!r}…"
