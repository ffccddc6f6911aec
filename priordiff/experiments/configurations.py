"""Configurations by their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from priordiff.command_line import named_configurations
from priordiff.training import load_config

__all__ = ["load_configuration"]

Config = TypeVar("Config")


def load_configuration(
    config_class: type[Config], configs: Path, name: str, overrides: Sequence[str]
) -> Config:
    """Load a configuration by its name or from a file, and lay overrides over it.

    Args:
        config_class: A dataclass.
        configs: Folder of the configurations that have names.
        name: One of them, or the path of a YAML file.
        overrides: ``key=value``.

    Raises:
        ValueError: If there is no such configuration, or a value in it is none.
        OSError: If the file can't be read.
    """
    file = Path(name)
    if not file.suffix:
        file = configs / f"{name}.yaml"
        if not file.is_file():
            known = ", ".join(named_configurations(configs))
            raise ValueError(f"--config {name}: expected one of {known}, or the path of a YAML file")
    return load_config(config_class, file, list(overrides))
