"""What comes before an example is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

__all__ = ["launch"]


def launch(example: str, extras: str, arguments: Sequence[str] | None) -> int:
    """Runs a command of an example; returns the exit status: 2 after bad input, which is named in one line.

    Args:
        example: its folder, which has the `COMMANDS` in a module `command_line`.
        extras: of the package that it needs.
        arguments: of the command line; None for those of this process.
    """
    install = f"pip install -e '.[{extras}]' in the repository"
    try:
        from priordiff.command_line import run_command_line
    except ModuleNotFoundError as error:
        print(f"error: {error}: run {install}", file=sys.stderr)
        return 2
    commands = import_module(f"{example}.command_line").COMMANDS
    return run_command_line(commands, sys.argv[1:] if arguments is None else arguments, install)
