"""Commands from a shell: arguments in, exit status out, bad input named in one line."""

from priordiff.command_line.parsers import (
    CommandParser,
    experiment_parser,
    named_configurations,
    overview_parser,
)
from priordiff.command_line.running import Command, run_command_line

__all__ = [
    "Command",
    "CommandParser",
    "experiment_parser",
    "named_configurations",
    "overview_parser",
    "run_command_line",
]
