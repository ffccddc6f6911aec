"""Runs the vocoder example: `python examples/vocoder --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

# `python examples/vocoder` runs this file alone: its neighbours are the package `vocoder` of this
# folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from launcher import launch


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    return launch("vocoder", "audio,train", arguments)


if __name__ == "__main__":
    sys.exit(main())
