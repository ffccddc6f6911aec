"""What comes before an example is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

__all__ = ["launch"]

_INSTALL = "pip install -e '.[audio,train]' in the repository"


def launch(example: str, arguments: Sequence[str] | None) -> int:
    """Runs a command of an example; returns the exit status: 2 after bad input, which is named in one line.

    Args:
        example: its folder, which has the `COMMANDS` in a module `command_line`.
        arguments: of the command line; None for those of this process.
    """
    try:
        from priordiff.command_line import run_command_line
    except ModuleNotFoundError as error:
        print(f"error: {error}: run {_INSTALL}", file=sys.stderr)
        return 2
    commands = import_module(f"{example}.command_line").COMMANDS
    return run_command_line(commands, sys.argv[1:] if arguments is None else arguments, _INSTALL)
