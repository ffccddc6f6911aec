"""Runs the acoustic example: `python examples/acoustic --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

# `python examples/acoustic` runs this file alone: its neighbours are the package `acoustic` of this
# folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from launcher import launch


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    return launch("acoustic", "audio,text,train", arguments)


if __name__ == "__main__":
    sys.exit(main())
