"""The command `priordiff`: what is trained, used from a shell."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from priordiff import __version__
from priordiff.command_line import run_command_line
from priordiff.commands.arguments import COMMANDS, overview

__all__ = ["main"]

_INSTALL = "pip install 'priordiff[audio,text,images]'"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command of `priordiff`.

    Args:
        arguments: of the command line; None for those of this process.

    Returns:
        The exit status: 2 after bad input, which is named in one line, 130 after an interruption.

    Example:
        >>> main([])
        usage: priordiff COMMAND ...
        ...
        commands:
          say         Speak a text: writes an audio file.
          synthesize  Copy-synthesis: recordings to mel spectrograms and back, by a vocoder.
          sample      Make images: of classes, of texts, from other images, or of nothing.
        ...
        0
    """
    given = sys.argv[1:] if arguments is None else arguments
    return run_command_line(COMMANDS, given, _INSTALL, overview(__version__))
