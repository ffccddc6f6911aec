"""Parsers of arguments that name in one line what they can't parse."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from priordiff.command_line.running import EXIT_BAD_INPUT, Command

__all__ = ["CommandParser", "experiment_parser", "named_configurations", "overview_parser"]

_SEEDS = "--seeds"


class CommandParser(argparse.ArgumentParser):
    """A parser that names what it can't parse in one line, as commands name all bad input.

    Its description and the examples after its arguments keep their lines.

    Args:
        **options: Of `argparse.ArgumentParser`.

    Example:
        >>> parser = CommandParser(prog="toys", description="Make toys.")
        >>> parser.parse_args([])
        Namespace()
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f"error: {message}; see {self.prog} --help\n")


def overview_parser(
    prog: str, description: str, version: str, commands: Mapping[str, Command]
) -> argparse.ArgumentParser:
    """Make the parser of what stands in place of a command: `--help`, which lists them, and `--version`.

    Args:
        prog: Name of the program.
        description: What it is for.
        version: Of the program.
        commands: By name, with descriptions whose first line says what each does.
    """
    width = max(map(len, commands))
    lines = [
        f"  {name:<{width}}  {(command.parser.description or '').splitlines()[0]}"
        for name, command in commands.items()
    ]
    parser = CommandParser(
        prog=prog,
        usage=f"{prog} COMMAND ...",
        description=description + "\n\ncommands:\n" + "\n".join(lines),
        epilog=f"{prog} COMMAND --help says more, with examples.",
    )
    parser.add_argument("--version", action="version", version=f"{prog} {version}")
    parser.add_argument("COMMAND", nargs="?", choices=list(commands), help=argparse.SUPPRESS)
    return parser


def experiment_parser(
    prog: str, description: str, examples: str, configs: Path, data: str, choice: str, choices: Sequence[str]
) -> argparse.ArgumentParser:
    """Make the parser of the command that trains and compares.

    Args:
        prog: Name of the program.
        description: What it does.
        examples: Command lines, for the end of the help.
        configs: Folder of the configurations that have names.
        data: What the corpus may be, and is by default, for the help.
        choice: Name of the key of the configuration by which models are chosen.
        choices: Its values.
    """
    parser = _ExperimentParser(
        prog=prog,
        description=description,
        epilog="Any value of the configuration can be overridden: training.num_steps=500 ...\n\n" + examples,
    )
    names = ", ".join(named_configurations(configs))
    parser.add_argument("--config", default="demo", help=f"{names} or a YAML file (default: demo)")
    parser.add_argument("--data", help=data)
    output = f"runs/{Path(prog).name}"
    parser.add_argument("--output", default=output, type=Path, help=f"folder of the runs (default: {output})")
    known = f"{', '.join(choices[:-1])} or {choices[-1]}"
    parser.add_argument(f"--{choice}", help=f"{known} (default: the configuration's)")
    parser.add_argument(
        "--compare",
        action=argparse.BooleanOptionalAction,
        help="train all the others beside it, too (default: the configuration's choice)",
    )
    parser.add_argument(_SEEDS, nargs="+", type=int, help="train every model once for each seed")
    parser.add_argument("--resume", action="store_true", help="continue what an earlier call has begun")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="values of the configuration")
    return parser


def named_configurations(configs: Path) -> list[str]:
    """List the names of the YAML files in a folder."""
    return sorted(path.stem for path in configs.glob("*.yaml"))


class _ExperimentParser(CommandParser):
    """Ends the seeds where no integer follows, so that overrides may."""

    def parse_intermixed_args(self, args: Any = None, namespace: Any = None) -> Any:
        arguments = list(sys.argv[1:] if args is None else args)
        if _SEEDS in arguments:
            first = arguments.index(_SEEDS)
            rest = arguments[first + 1 :]
            ends = (i for i, each in enumerate(rest) if "=" in each or each.startswith("--"))
            count = next(ends, len(rest))
            arguments = [*arguments[:first], *rest[count:], _SEEDS, *rest[:count]]
        return super().parse_intermixed_args(arguments, namespace)
