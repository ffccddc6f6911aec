"""What commands write into, and what runs keep of their evaluation."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from priordiff.files import write_text

__all__ = ["EVALUATION", "make_writable", "read_scores", "write_scores"]

EVALUATION = "evaluation"


def make_writable(folder: Path) -> None:
    """Make a folder unless it is there.

    Raises:
        OSError: If it can't be made or written; the message says so in the terms of the command line.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"could not make the folder {folder} ({error.strerror}): choose another --output"
        ) from error
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"the folder {folder} can't be written: choose another --output")


def write_scores(directory: Path, name: str, scores: Mapping[str, float]) -> None:
    """Store what an evaluation of a run has found, under a name.

    Args:
        directory: Of the run.
        name: What was judged.
        scores: Values by the name of the measure.

    Raises:
        OSError: If it can't be written.
    """
    file = _file(directory, name)
    file.parent.mkdir(exist_ok=True)
    write_text(file, json.dumps(scores, indent=2) + "\n")


def read_scores(directory: Path, name: str) -> dict[str, float]:
    """Read what `write_scores` has stored.

    Raises:
        FileNotFoundError: If it has stored nothing under that name.
    """
    return json.loads(_file(directory, name).read_text(encoding="utf-8"))


def _file(directory: Path, name: str) -> Path:
    return directory / EVALUATION / f"{name}.json"
