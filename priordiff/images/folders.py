"""Folders of images, with classes by sub-folder or with a file of captions and labels."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from priordiff.corpora import list_files, size_and_time
from priordiff.images.files import IMAGE_EXTENSIONS, read_image
from priordiff.images.metadata import ImageNote, find_metadata, read_metadata
from priordiff.images.sets import ImageRecord, ImageSet, ImageSource, in_order

__all__ = ["folder_images", "image_files"]


def image_files(directory: str | os.PathLike[str]) -> tuple[list[Path], list[str]]:
    """Lists the image files in a folder at any depth.

    [`list_files`][priordiff.corpora.list_files] tells what becomes of links and hidden files.

    Args:
        directory: where to look.

    Returns:
        The files, sorted, and a line with the reason for each folder that cannot be listed.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("Robin.JPG", "._Robin.JPG", "notes.txt"):
        ...     (folder / name).touch()
        >>> files, problems = image_files(folder)
        >>> [path.name for path in files], problems
        (['Robin.JPG'], [])
    """
    return list_files(directory, IMAGE_EXTENSIONS)


def folder_images(directory: str | os.PathLike[str]) -> ImageSet:
    """Lists the images in a folder, with their classes and captions.

    With a `metadata.jsonl` or `metadata.csv` in it, as Hugging Face's `imagefolder` has them, the images are
    those that it lists: `file_name` (a path in the folder), a caption in `text` or `caption`, and a class in
    `label`. Otherwise they are all image files at any depth, the class of each is the sub-folder of
    `directory` that holds it, and those beside the sub-folders are skipped. Images in no sub-folders are of
    one class, which has the name of the folder.

    The concept of an image is its path without the extension.

    Args:
        directory: where the images are. Links to folders are followed, hidden files and folders are passed
            over.

    Returns:
        The images, sorted by name.

    Raises:
        FileNotFoundError: there is no such folder, or it holds no images.
        ValueError: the metadata can't be read, or none of its lines names an image.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("robin/1.jpg", "wren/1.jpg", "wren/young/2.PNG"):
        ...     (folder / name).parent.mkdir(parents=True, exist_ok=True)
        ...     (folder / name).touch()
        >>> images = folder_images(folder)
        >>> [(source.record.name, source.record.label) for source in images.sources]
        [('robin/1.jpg', 0), ('wren/1.jpg', 1), ('wren/young/2.PNG', 1)]
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise FileNotFoundError(f"no folder {directory}: name a folder that holds images")
    paths, problems = image_files(directory)
    available = {unicodedata.normalize("NFC", path.relative_to(directory).as_posix()): path for path in paths}
    if not available:
        raise FileNotFoundError(
            f"no images in {directory}: looked for {', '.join(IMAGE_EXTENSIONS)} files at any depth"
            + "".join(f"; {problem}" for problem in problems)
        )
    metadata = find_metadata(directory)
    if metadata is None:
        notes, unusable = _notes_of(available)
    else:
        notes, unusable = _listed(metadata, available)
    notes, unlabelled = _labelled(notes, directory.resolve().name)
    used = [available[note.file_name] for note in notes]
    class_names = in_order({note.label for note in notes if note.label is not None})
    return ImageSet(
        origin=str(directory),
        kind="images",
        sources=[_source(note, path, class_names) for note, path in zip(notes, used, strict=True)],
        class_names=class_names,
        version=[[str(path), size_and_time(path)] for path in used],
        problems=problems + unusable + unlabelled,
    )


def _notes_of(available: Mapping[str, Path]) -> tuple[list[ImageNote], list[str]]:
    """The images of a folder without metadata, and those that are skipped."""
    in_folders = any("/" in name for name in available)
    notes, beside = [], []
    for name in sorted(available):
        if in_folders and "/" not in name:
            beside.append(f"{available[name]} is in none of the sub-folders, which are the classes")
        else:
            notes.append(ImageNote(name, None, None, str(available[name])))
    return notes, beside


def _listed(metadata: Path, available: Mapping[str, Path]) -> tuple[list[ImageNote], list[str]]:
    """The images that metadata lists, and what it lists in vain."""
    notes, problems = read_metadata(metadata)
    listed = [note for note in notes if note.file_name in available]
    problems += [
        f"{note.place} names {note.file_name!r}, which is no image in {metadata.parent}"
        for note in notes
        if note.file_name not in available
    ]
    if not listed:
        first = f": {problems[0]}" if problems else ""
        raise ValueError(
            f"no line of {metadata} names an image in {metadata.parent}, such as {min(available)!r}{first}"
        )
    return sorted(listed, key=lambda note: note.file_name), problems


def _labelled(notes: list[ImageNote], only_class: str) -> tuple[list[ImageNote], list[str]]:
    """The images with the class of each, and a line for each that has none where others have one."""
    if any(note.label is not None for note in notes):
        labelled = [note for note in notes if note.label is not None]
        return labelled, [f"{note.place} has no label" for note in notes if note.label is None]
    in_folders = all("/" in note.file_name for note in notes)
    labels = [note.file_name.partition("/")[0] if in_folders else only_class for note in notes]
    return [replace(note, label=label) for note, label in zip(notes, labels, strict=True)], []


def _source(note: ImageNote, path: Path, class_names: tuple[str, ...]) -> ImageSource:
    concept = note.file_name[: note.file_name.rindex(".")]
    record = ImageRecord(note.file_name, class_names.index(note.label or ""), concept, note.caption)
    return ImageSource(record, partial(read_image, path))
