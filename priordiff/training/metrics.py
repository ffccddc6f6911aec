"""The run's history as JSON lines, beside whatever trackers are in use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from priordiff.files import write_text

__all__ = ["MetricsLog", "read_metrics"]


def read_metrics(run_dir: Path | str, kind: str | None = None) -> list[dict[str, Any]]:
    """History of a run.

    Args:
        run_dir: Folder of the run.
        kind: ``"train"`` or ``"evaluation"``; None for both.

    Returns:
        Rows in order, each with ``kind``, ``step``, ``seconds`` of training (without evaluations and saving)
        and values by name: ``loss``, ``gradient_norm`` and ``learning_rate``, or the task's metrics.

    Raises:
        FileNotFoundError: If the folder holds no run.
        ValueError: If the file is damaged.
    """
    path = Path(run_dir) / MetricsLog.FILE
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}: expected the folder of a training run")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(True)
    rows = [_row(path, number, line) for number, line in enumerate(lines, 1) if line.endswith("\n")]
    return [row for row in rows if kind in (None, row["kind"])]


class MetricsLog:
    """``metrics.jsonl`` of a run.

    Args:
        run_dir: Folder of the run.
    """

    FILE = "metrics.jsonl"

    def __init__(self, run_dir: Path) -> None:
        self.path = run_dir / self.FILE

    def truncate(self, step: int) -> None:
        """Drop the rows after a step, or all at step 0.

        Args:
            step: Step from which the run goes on.

        Raises:
            OSError: If it can't be written.
        """
        rows = read_metrics(self.path.parent) if step and self.path.is_file() else []
        write_text(self.path, "".join(_line(row) for row in rows if row["step"] <= step))

    def write(self, kind: str, step: int, seconds: float, values: Mapping[str, float]) -> None:
        """Add a row.

        Args:
            kind: ``"train"`` or ``"evaluation"``.
            step: Steps taken.
            seconds: Seconds of training.
            values: Values by name.

        Raises:
            OSError: If it can't be written.
        """
        row = {"kind": kind, "step": step, "seconds": round(seconds, 3), **values}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(row))
        except OSError as error:
            raise OSError(
                f"could not write {self.path} ({error.strerror or error}): check free space"
            ) from error

    def is_evaluated(self, step: int) -> bool:
        """Tell whether there is an evaluation of a step.

        Args:
            step: Steps taken.

        Returns:
            Whether there is.
        """
        return any(row["step"] == step for row in read_metrics(self.path.parent, "evaluation"))


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        if {"kind", "step", "seconds"} <= row.keys():
            return row
    except (ValueError, AttributeError):
        pass
    raise ValueError(
        f"line {number} of {path} is damaged: delete that line, or {path.parent} to train that run anew"
    )


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
