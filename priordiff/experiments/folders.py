"""What runs keep of their evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from priordiff.files import write_text

__all__ = ["EVALUATION", "read_scores", "write_scores"]

EVALUATION = "evaluation"


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
