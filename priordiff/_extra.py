"""Import of packages that come with an extra."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["missing", "require"]


def require(package: str, extra: str) -> ModuleType:
    """Imports a package of an extra.

    Args:
        package: name of the module.
        extra: that brings it.

    Raises:
        ImportError: if it is missing; the message names the extra to install.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise missing(package, extra, str(error)) from error


def missing(package: str, extra: str, reason: str) -> ImportError:
    """The error that names the extra to install."""
    return ImportError(
        f"{package} is needed for {extra} and could not be imported ({reason}): "
        f"pip install 'priordiff[{extra}]'"
    )
