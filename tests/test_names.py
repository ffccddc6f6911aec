"""The names of the package: when they are loaded, and where diffusers finds them."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Union, get_origin

import diffusers
import pytest

import priordiff
from tests.test_package import PACKAGE, run_python


def test_importing_loads_nothing_that_is_not_used() -> None:
    steps = {
        "import diffusers": "import priordiff",
        "import torch; from diffusers import DDIMScheduler, DDPMScheduler": (  # the paper's is a DDPM
            "from priordiff import PriorGradScheduler, DiagonalPrior"
        ),
    }
    program = "import sys; " + "; ".join(
        f"{stands_on}; before = {{*sys.modules}}; {imports}; print(*{{*sys.modules}} - before)"
        for stands_on, imports in steps.items()
    )
    finished = run_python(program)
    assert finished.returncode == 0, finished.stderr
    names, classes = (set(line.split()) for line in finished.stdout.splitlines())
    assert "priordiff" in names
    assert {"priordiff.priors", "priordiff.schedulers"} <= classes
    assert {name.partition(".")[0] for name in names | classes} <= {"priordiff", "einops"}
    assert not {"priordiff.estimators", "priordiff.models", "priordiff.pipelines"} & (names | classes)


@pytest.mark.parametrize("first", ["priordiff", "diffusers"])
def test_diffusers_has_our_pipelines_whichever_is_imported_first(first: str) -> None:
    program = f"""
import importlib.util, sys
import {first}
if {first!r} == "priordiff":
    assert not {{"torch", "diffusers"}} & set(sys.modules), "they take seconds"
    assert importlib.util.find_spec("diffusers") is not None, "and looking for it changes nothing"
import priordiff
from diffusers import DiffusionPipeline
print(type(DiffusionPipeline.from_pretrained("priordiff/pretrained/vocoder")).__name__)
assert not any(type(each).__module__.startswith("priordiff") for each in sys.meta_path), "nothing waits"
"""
    finished = run_python(program)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == ["VocoderPipeline"]


def test_names_are_loaded_from_where_type_checkers_see_them() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert sorted(alias.name for node in imports for alias in node.names) == sorted(priordiff.__all__)
    for node in imports:
        for alias in node.names:
            named = getattr(importlib.import_module(node.module or ""), alias.name)
            assert getattr(priordiff, alias.name) is named


def test_names_are_known_and_components_saved_under_the_library_s_before_its_pipelines_are_loaded(
    tmp_path: Path,
) -> None:
    program = f"""
import priordiff
print(*dir(priordiff))
from diffusers import DiffusionPipeline
from priordiff import DiffWave, FractionalDDPMScheduler, PriorGradScheduler

class OwnPipeline(DiffusionPipeline):
    def __init__(self, model, scheduler, other):
        super().__init__()
        self.register_modules(model=model, scheduler=scheduler, other=other)

model = DiffWave(residual_channels=8, residual_layers=2, n_mels=8, hop_length=16)
pipe = OwnPipeline(model, PriorGradScheduler(), FractionalDDPMScheduler())
pipe.save_pretrained({str(tmp_path)!r})
print(*(pipe.config[name][0] for name in pipe.components))
print(*(type(part).__name__ for part in OwnPipeline.from_pretrained({str(tmp_path)!r}).components.values()))
"""
    finished = run_python(program)
    assert finished.returncode == 0, finished.stderr
    completed, libraries, classes = finished.stdout.splitlines()
    assert {*priordiff.__all__, "estimators", "schedulers", "__version__"} <= {*completed.split()}
    assert libraries.split() == ["priordiff"] * 3
    assert sorted(classes.split()) == ["DiffWave", "FractionalDDPMScheduler", "PriorGradScheduler"]


PIPELINES = {
    name: value
    for name, value in vars(priordiff.pipelines).items()
    if inspect.isclass(value) and issubclass(value, diffusers.DiffusionPipeline)
}


@pytest.mark.parametrize("name", PIPELINES)
def test_diffusers_has_every_pipeline_as_an_attribute(name: str) -> None:
    assert getattr(diffusers, name) is PIPELINES[name]


@pytest.mark.parametrize("name", PIPELINES)
def test_the_oldest_diffusers_reads_every_pipeline_s_annotations(name: str) -> None:
    (_, *parameters) = inspect.signature(PIPELINES[name].__init__).parameters.values()
    for parameter in parameters:  # neither a string nor X | None
        kind = parameter.annotation
        assert inspect.isclass(kind) or get_origin(kind) is Union, f"{parameter}: write Optional[X]"


@pytest.mark.parametrize("name", ["PriorGradNothingScheduler", "Nothing"])
def test_a_name_that_does_not_exist_is_named(name: str) -> None:
    for module in (priordiff, diffusers):
        with pytest.raises(AttributeError, match=f"module '?{module.__name__}'? has no attribute '?{name}'?"):
            getattr(module, name)
