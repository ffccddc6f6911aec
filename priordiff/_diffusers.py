"""Our pipelines among those of diffusers, without importing diffusers, which takes seconds."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["add_pipelines"]

_PIPELINES = ("ImagePipeline", "TextToSpeechPipeline", "VocoderPipeline")


def add_pipelines() -> None:
    """Makes our pipelines attributes of diffusers, now or as soon as it is imported.

    `DiffusionPipeline.from_pretrained` looks up the class of a saved pipeline there. Nothing else that
    Python has tells of an import: a module of diffusers' kind, which replaces itself, can't be loaded lazily.
    """
    if "diffusers" in sys.modules:
        _add(sys.modules["diffusers"])
    else:
        sys.meta_path.insert(0, _Finder())


def _add(diffusers: Any) -> None:
    diffusers.__getattr__ = _pipeline_named


def _pipeline_named(name: str) -> Any:
    if name not in _PIPELINES:
        raise AttributeError(f"module 'diffusers' has no attribute {name!r}")
    return getattr(import_module("priordiff.pipelines"), name)


class _Finder(MetaPathFinder):
    """Finds diffusers as the others do, and adds our pipelines once it has been executed."""

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "diffusers":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_add(module: ModuleType) -> None:
            execute(module)
            _add(sys.modules[fullname])
            if self in sys.meta_path:
                sys.meta_path.remove(self)

        spec.loader.exec_module = execute_and_add  # type: ignore[method-assign]
        return spec
