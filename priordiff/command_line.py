"""Commands from a shell: arguments in, exit status out, bad input named in one line."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

__all__ = [
    "Command",
    "CommandParser",
    "experiment_parser",
    "named_configurations",
    "overview_parser",
    "run_command_line",
]

_EXIT_BAD_INPUT, _EXIT_INTERRUPTED = 2, 130
_SEEDS = "--seeds"
# They inform of each mark that they leave as it is, and of each sound that they hear.
_TALKATIVE = ("kitten_text_processing", "faster_whisper")


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
        self.exit(_EXIT_BAD_INPUT, f"error: {message}; see {self.prog} --help\n")


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
        The exit status: 2 after bad input, 130 after an interruption.
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
        return command.run(parsed)
    except (ValueError, OSError, ImportError, ArithmeticError) as error:
        if os.environ.get("PRIORDIFF_TRACEBACK"):
            raise
        print(f"error: {_in_one_line(error, install)}", file=sys.stderr)
        return _EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted: nothing is half-written", file=sys.stderr)
        return _EXIT_INTERRUPTED


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
