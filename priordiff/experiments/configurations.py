"""Configurations by their names."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from priordiff.command_line import named_configurations
from priordiff.training import load_config

__all__ = ["configuration_from"]

Config = TypeVar("Config")


def configuration_from(
    config_class: type[Config],
    configs: Path,
    arguments: argparse.Namespace,
    choice: str,
    choices: Iterable[str],
) -> Config:
    """Load the configuration that arguments name, and lay their values over it.

    Args:
        config_class: A dataclass that has ``corpus.directory``, ``compare`` and the key ``choice``.
        configs: Folder of the configurations that have names.
        arguments: As the parser of `priordiff.command_line.experiment_parser` makes them.
        choice: Name of the key by which models are chosen.
        choices: Its values.

    Raises:
        ValueError: If there is no such configuration, or a value in it is none.
        OSError: If the file can't be read.
    """
    file = Path(arguments.config)
    if not file.suffix:
        file = configs / f"{arguments.config}.yaml"
        if not file.is_file():
            known = ", ".join(named_configurations(configs))
            raise ValueError(
                f"--config {arguments.config}: expected one of {known}, or the path of a YAML file"
            )
    chosen = getattr(arguments, choice)
    # With the others, as it may be that only all of them together make sense.
    overrides = [*arguments.overrides, *([] if chosen is None else [f"{choice}={chosen}"])]
    config: Any = load_config(config_class, file, overrides)
    # Not as overrides, which are read as YAML: a folder may be called anything.
    if arguments.data is not None:
        config = replace(config, corpus=replace(config.corpus, directory=arguments.data))
    if arguments.compare is not None:
        config = replace(config, compare=list(choices) if arguments.compare else [])
    return config
