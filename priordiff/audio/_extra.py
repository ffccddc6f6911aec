"""Import of the packages that come with the extra `audio`."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["require"]


def require(package: str) -> ModuleType:
    """Imports a package of the extra `audio`.

    Raises:
        ImportError: if it is missing; the message names the extra to install.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{package} is needed for audio and could not be imported ({error}): "
            "pip install 'priordiff[audio]'"
        ) from error
