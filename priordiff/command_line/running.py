"""Runs a command: an exit status comes out, bad input is named in one line."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import Any

__all__ = ["EXIT_BAD_INPUT", "Command", "run_command_line"]

EXIT_BAD_INPUT, _EXIT_INTERRUPTED, _EXIT_TERMINATED = 2, 130, 143
# They inform of each mark that they leave as it is, and of each sound that they hear.
_TALKATIVE = ("kitten_text_processing", "faster_whisper")


@dataclass(frozen=True)
class Command:
    """A command: its arguments, and what is done with them.

    Args:
        parser: Of the arguments.
        function: ``"module:name"`` of what takes the parsed arguments and returns the exit status. It is
            imported when the command runs, so that help needs no package.
    """

    parser: argparse.ArgumentParser
    function: str

    def run(self, parsed: argparse.Namespace) -> int:
        """Do it."""
        module, _, name = self.function.partition(":")
        function = getattr(import_module(module), name)
        if diffusers := sys.modules.get("diffusers"):
            diffusers.utils.logging.disable_progress_bar()  # of loading a model from a folder
        return function(parsed)


def run_command_line(
    commands: Mapping[str, Command],
    arguments: Sequence[str],
    install: str,
    overview: argparse.ArgumentParser | None = None,
) -> int:
    """Run a command; bad input is named in one line.

    Args:
        commands: By name.
        arguments: Of the command line.
        install: A command that installs what may be missing, and where it is to be run.
        overview: Parser of arguments that do not begin with the name of a command, as `overview_parser` makes
            it. None: they are arguments of the first command.

    Returns:
        The exit status: 2 after bad input, 130 after an interruption, 143 after SIGTERM.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    warnings.formatwarning = _warning_in_one_line
    _spin_briefly()
    name, rest = next(iter(commands)), list(arguments)
    if rest and rest[0] in commands:
        name, *rest = rest
    elif overview is not None:
        overview.parse_args(rest)  # ends here but for no arguments at all
        overview.print_help()
        return 0
    command = commands[name]
    parsed = command.parser.parse_intermixed_args(rest)
    try:
        with _unwound_by_sigterm():
            return command.run(parsed)
    except (ValueError, OSError, ImportError, ArithmeticError) as error:
        if os.environ.get("PRIORDIFF_TRACEBACK"):
            raise
        print(f"error: {_in_one_line(error, install)}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt as stop:
        print("interrupted: nothing is half-written", file=sys.stderr)
        return _EXIT_TERMINATED if isinstance(stop, _Terminated) else _EXIT_INTERRUPTED


class _Terminated(KeyboardInterrupt):
    """SIGTERM has come."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


@contextmanager
def _unwound_by_sigterm() -> Iterator[None]:
    """Lets SIGTERM end what runs as Ctrl-C does, so that it removes what is half-written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _spin_briefly() -> None:
    """Keeps threads from spinning for long while they wait for each other.

    They would take the processor from the one that they wait for as soon as anything else runs on the
    machine, and a step then takes far longer. OpenMP reads this when torch is imported, which is later.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _warning_in_one_line(message: Any, *_: Any, **__: Any) -> str:
    # What it is about, not where in the program it was found.
    return f"warning: {' '.join(str(message).split())}"


def _in_one_line(error: Exception, install: str) -> str:
    if isinstance(error, BrokenPipeError) and not error.filename:
        return "the reader of the standard output has gone: what was written until then is whole"
    if isinstance(error, ModuleNotFoundError) and "pip install" not in str(error):
        return f"{error}: run {install}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}; check path, permissions and free space"
    return " ".join(str(error).split())
