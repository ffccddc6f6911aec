"""What runs learn from besides their configuration, so that none goes on with something else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from priordiff.experiments.runs import Run
from priordiff.files import write_text

__all__ = ["Origins", "check_origins", "store_origins", "weights_fingerprint"]

Origins = Mapping[str, Path | str]

_FILE = "origins.json"


def weights_fingerprint(weights: Mapping[str, Tensor]) -> str:
    """A hash of the weights of a network.

    Args:
        weights: By name, such as a ``state_dict``.

    Example:
        >>> weights_fingerprint({"a": torch.ones(2)}) == weights_fingerprint({"a": torch.zeros(2)})
        False
    """
    digest = hashlib.sha256()
    for name, weight in sorted(weights.items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def store_origins(run: Run, origins: Origins) -> None:
    """Keep in the folder of a run what it begins to learn from.

    Args:
        run: That is about to begin.
        origins: See `Experiment.origins`.

    Raises:
        OSError: If it can't be written.
    """
    write_text(run.directory / _FILE, json.dumps(_fingerprints(origins), indent=2) + "\n")


def check_origins(origins: Sequence[tuple[Run, Origins]], runs: Sequence[Run]) -> None:
    """Refuse runs that have begun with something else than there is now, or will be.

    What isn't known of a run, such as of those of earlier versions, is not compared.

    Args:
        origins: Of the runs that have been begun.
        runs: All of the experiment.

    Raises:
        ValueError: If there are such; the message names them.
    """
    parts = {run.directory: run for run in runs}
    reasons = {str(run.directory): _change(run, of_run, parts) for run, of_run in origins}
    changed = {directory: reason for directory, reason in reasons.items() if reason}
    if changed:
        directory, reason = next(iter(changed.items()))
        raise ValueError(
            f"the run in {directory} has learned from {reason}; choose another --output, or delete what has "
            f"learned from that ({', '.join(changed)})"
        )


def _change(run: Run, origins: Origins, parts: Mapping[Path, Run]) -> str | None:
    """In which of its origins a run differs from what there was when it began; None if in none."""
    for origin in origins.values():
        part = parts.get(origin) if isinstance(origin, Path) else None
        if part is not None and (step := part.folder.last_step()) < part.num_steps:
            return (
                f"{part.directory}, which is at step {step} and would be trained up to step {part.num_steps}"
            )
    stored, current = _stored(run), _fingerprints(origins)
    for name, value in current.items():
        if None not in (value, stored.get(name)) and value != stored[name]:
            return f"what has changed since then: {name}"
    return None


def _stored(run: Run) -> dict[str, Any]:
    file = run.directory / _FILE
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{file} is damaged ({error}): delete it to resume without a check of what was learned from"
        ) from error


def _fingerprints(origins: Origins) -> dict[str, str | None]:
    return {
        name: _of_export(origin) if isinstance(origin, Path) else origin for name, origin in origins.items()
    }


def _of_export(directory: Path) -> str | None:
    """A hash of the weights that a run has exported; None if it has none."""
    folder = directory / "model"
    digest = hashlib.sha256()
    files = sorted(folder.rglob("*.safetensors"))
    for file in files:
        try:
            weights = load_file(file)
        except SafetensorError:
            return None  # it will be exported anew
        digest.update(f"{file.relative_to(folder).as_posix()} {weights_fingerprint(weights)}".encode())
    return digest.hexdigest() if files else None
