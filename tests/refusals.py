"""How a command must refuse bad input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

__all__ = ["Refuse", "last_error", "refusal_of"]

Refuse = Callable[..., str]


def refusal_of(main: Callable[[Sequence[str]], int], capfd: pytest.CaptureFixture[str]) -> Refuse:
    """Runs a command and returns the one line with which it must refuse."""

    def run(*arguments: str | Path) -> str:
        capfd.readouterr()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:  # of the parser
            status = end.code
        assert status == 2
        lines = capfd.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("error: ")
        return lines[0]

    return run


def last_error(
    main: Callable[[Sequence[str]], int], arguments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> str:
    """Runs a command that may have told of its work before, and returns the line with which it must end."""
    assert main(arguments) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("error: ")
    return line
