"""The captions and labels beside a folder of images, as Hugging Face's `imagefolder` has them."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ImageNote", "find_metadata", "read_metadata"]

_NAMES = ("metadata.jsonl", "metadata.csv")
_CAPTIONS = ("text", "caption")


@dataclass(frozen=True)
class ImageNote:
    """What a line of metadata says of an image.

    Attributes:
        file_name: its path in the folder, with forward slashes, in Unicode's composed form (NFC).
        caption: a text that describes it, if there is one.
        label: the name of its class, if there is one.
        place: of the line, for messages.
    """

    file_name: str
    caption: str | None
    label: str | None
    place: str


def find_metadata(directory: Path) -> Path | None:
    """The `metadata.jsonl` or `metadata.csv` in a folder; None: there is neither.

    Raises:
        ValueError: there are both.
    """
    found = [directory / name for name in _NAMES if (directory / name).is_file()]
    if len(found) > 1:
        raise ValueError(f"{directory} has a {' and a '.join(_NAMES)}: remove one of them")
    return found[0] if found else None


def read_metadata(path: Path) -> tuple[list[ImageNote], list[str]]:
    r"""The lines of a metadata file: objects of JSON, or rows of a CSV with a header.

    Args:
        path: of the file. Its fields are `file_name`, a caption in `text` or `caption`, and `label`, of which
            the first alone has to be there; others are passed over.

    Returns:
        What the lines say, and a line with the reason for each that says nothing of an image.

    Raises:
        ValueError: the file is not UTF-8 text, or is a CSV without a column `file_name`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "metadata.csv"
        >>> _ = path.write_text("file_name,text\nrobin.png,a robin\n")
        >>> read_metadata(path)[0][0].caption
        'a robin'
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}): convert it"
        ) from error
    # `splitlines` would split at U+2028 and others, too, which may stand in a caption.
    lines = text.split("\n")
    notes, problems = [], []
    for number, fields in _csv_rows(lines, path) if path.suffix == ".csv" else _json_rows(lines):
        place = f"line {number} of {path}"
        try:
            notes.append(_note(fields, place))
        except ValueError as error:
            problems.append(f"{place} {error}")
    return notes, problems


def _json_rows(lines: list[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None


def _csv_rows(lines: list[str], path: Path) -> Iterator[tuple[int, Any]]:
    rows = csv.DictReader((f"{line}\n" for line in lines), restkey="", strict=True)
    try:
        if "file_name" not in (rows.fieldnames or ()):
            raise ValueError(f"{path} has no column file_name: expected a header such as file_name,text")
        for row in rows:
            # More fields than the header has, or fewer: most often a caption with commas and no quotes.
            whole = "" not in row and None not in row.values()
            yield rows.line_num, row if whole else None
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV file: {error} in line {rows.line_num}") from error


def _note(fields: Any, place: str) -> ImageNote:
    if not isinstance(fields, dict):
        raise ValueError("is malformed: expected an object of JSON, or as many fields as the header has")
    name, label = fields.get("file_name"), fields.get("label")
    if not isinstance(name, str) or not name:
        raise ValueError("has no file_name")
    caption = next((fields[key] for key in _CAPTIONS if fields.get(key) is not None), None)
    if not isinstance(caption, str | None):
        raise ValueError(f"has the caption {caption!r}, expected a text")
    if not isinstance(label, str | int | None) or isinstance(label, bool):
        raise ValueError(f"has the label {label!r}, expected a text or an integer")
    composed = unicodedata.normalize("NFC", Path(name).as_posix())
    return ImageNote(composed, caption or None, None if label in (None, "") else str(label), place)
