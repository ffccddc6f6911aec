"""Finding the recordings in a folder, in LJSpeech's layout or in any other."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from priordiff.audio.files import AUDIO_EXTENSIONS

__all__ = ["AudioSource", "find_audio"]


@dataclass(frozen=True)
class AudioSource:
    """An audio file that belongs to a corpus.

    Attributes:
        name: LJSpeech's ID, or the path relative to the corpus without the extension, with forward slashes.
        path: the file; it may be missing where a `metadata.csv` promises it.
        text: what is said, where a `metadata.csv` tells (the normalised text if there is one).
    """

    name: str
    path: Path
    text: str | None = None


def find_audio(directory: str | os.PathLike[str]) -> list[AudioSource]:
    """Lists the recordings in a folder, sorted by name.

    With a `metadata.csv` (`id|text|normalised text`) beside a folder `wavs/`, as in LJSpeech, the recordings
    are those that it lists; otherwise they are all wav, flac, ogg and mp3 files at any depth, hidden ones
    excepted.

    Args:
        directory: the corpus.

    Raises:
        FileNotFoundError: there is no such folder, or it holds no audio.
        ValueError: `metadata.csv` is not UTF-8 text.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "birds").mkdir()
        >>> (folder / "birds" / "Robin.FLAC").touch()
        >>> [source.name for source in find_audio(folder)]
        ['birds/Robin']
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise FileNotFoundError(f"no folder {directory}: name a folder that holds audio files")
    metadata, wavs = directory / "metadata.csv", directory / "wavs"
    if metadata.is_file() and wavs.is_dir():
        sources = _listed_sources(metadata, wavs)
    else:
        sources = [AudioSource(_stem(path, directory), path) for path in _audio_files(directory)]
    if not sources:
        raise FileNotFoundError(
            f"no audio in {directory}: looked for {', '.join(AUDIO_EXTENSIONS)} files at any depth, "
            "and for LJSpeech's layout (a metadata.csv of id|text lines beside a folder wavs)"
        )
    return sorted(sources, key=lambda source: (source.name, source.path))


def _listed_sources(metadata: Path, wavs: Path) -> list[AudioSource]:
    try:
        lines = metadata.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{metadata} is not UTF-8 text ({error.reason} at byte {error.start}): convert it"
        ) from error
    paths = {_stem(path, wavs): path for path in _audio_files(wavs)}
    sources = []
    for line in lines:
        name, *texts = (field.strip() for field in line.split("|"))
        if Path(name).suffix.lower() in AUDIO_EXTENSIONS:
            name = name[: name.rindex(".")]
        if name:
            text = next((text for text in reversed(texts[:2]) if text), None)
            sources.append(AudioSource(name, paths.get(name, wavs / f"{name}.wav"), text))
    return sources


def _audio_files(directory: Path) -> list[Path]:
    found = []
    for folder, subfolders, names in os.walk(directory):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        # Hidden files too: macOS leaves a "._NAME.wav" that is no audio beside each NAME.wav on foreign
        # disks.
        found += [
            Path(folder, name)
            for name in names
            if Path(name).suffix.lower() in AUDIO_EXTENSIONS and not name.startswith(".")
        ]
    return sorted(found)


def _stem(path: Path, directory: Path) -> str:
    return path.relative_to(directory).with_suffix("").as_posix()
