"""What comes before an example is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

__all__ = ["launch"]

# Threads that spin for long while they wait for each other take the processor from the one that they wait for
# as soon as anything else runs on the machine: a step then takes far longer. OpenMP reads this when
# torch is imported, which is later.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

_INSTALL = "pip install -e '.[audio,train]'"


def launch(example: str, arguments: Sequence[str] | None) -> int:
    """Runs a command of an example; returns the exit status: 2 after bad input, which is named in one line.

    Args:
        example: its folder, which has the `COMMANDS` in a module `command_line`.
        arguments: of the command line; None for those of this process.
    """
    try:
        from priordiff.command_line import run_command_line
    except ModuleNotFoundError as error:
        print(f"error: {error}: run {_INSTALL} in the repository", file=sys.stderr)
        return 2
    commands = import_module(f"{example}.command_line").COMMANDS
    return run_command_line(commands, sys.argv[1:] if arguments is None else arguments, _INSTALL)
