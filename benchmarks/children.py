"""Measurements in processes of their own, and the memory that a process has held at most."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["measured_in_child", "peak_resident_bytes"]

_ROOT = Path(__file__).resolve().parents[1]


def measured_in_child(arguments: Sequence[str], environment: Mapping[str, str | None] | None = None) -> Any:
    """What a fresh Python prints as JSON in its last line.

    Args:
        arguments: of Python, such as `-m` and a module, run from the repository's root.
        environment: further variables; None for one that it does not get from here.

    Raises:
        RuntimeError: if it fails; the message ends with what it said.
    """
    variables = {**os.environ, **(environment or {})}
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=_ROOT,
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{finished.stderr[-2000:]}")
    return json.loads(finished.stdout.splitlines()[-1])


def peak_resident_bytes() -> int:
    """Resident memory of this process at its peak.

    Where Linux says it, by `VmHWM`: its `ru_maxrss` counts what the process held that started this one, too.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
