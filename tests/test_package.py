from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_origin

import diffusers
import pytest
import torch

import priordiff
from tests.pipelines import tiny

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "priordiff"
# A room is a folder of priordiff/ or a single file in it.
ROOMS = sorted(
    path.stem for path in PACKAGE.iterdir() if (path / "__init__.py").exists() or path.suffix == ".py"
)
ROOMS.remove("__init__")
EXTRAS = [
    "torchaudio",
    "soundfile",
    "espeakng_loader",
    "auraloss",
    "pyworld",
    "accelerate",
    "omegaconf",
    "tensorboard",
    "matplotlib",
]

# What the modules of a room may import: rooms of lower floors, and which packages they must not know.
FLOORS: dict[str, tuple[set[str], set[str]]] = {
    "files": (set(), {"torch", "diffusers", "torchaudio", "accelerate"}),
    "priors": (set(), {"diffusers", "torchaudio", "accelerate"}),
    "estimators": ({"priors", "audio"}, {"accelerate"}),
    "schedulers": ({"priors"}, {"torchaudio", "accelerate"}),
    "losses": ({"priors"}, {"diffusers", "torchaudio", "accelerate"}),
    "models": (set(), {"torchaudio", "accelerate"}),
    "audio": ({"files"}, {"diffusers", "accelerate"}),
    "pipelines": ({"priors", "estimators", "schedulers", "losses", "models", "audio"}, {"accelerate"}),
    "training": (set(ROOMS) - {"report"}, {"examples"}),
    "report": ({"files", "audio"}, {"examples"}),
}


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)


def without_extras(code: str) -> str:
    """A program in which importing anything that an extra brings fails as if it were not installed."""
    return f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

# diffusers asks importlib for what is installed and then imports it: it has to find the same nothing.
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {EXTRAS} else find_spec(name, package)
sys.meta_path.insert(0, Missing())
{code}
"""


def public_names(module_name: str) -> list[str]:
    return importlib.import_module(module_name).__all__


def modules_of(room: str) -> list[Path]:
    folder = PACKAGE / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{room}.py"]


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide which room is meant"
            yield node.module or ""
            if node.module == "priordiff":
                yield from (f"priordiff.{alias.name}" for alias in node.names)


def test_the_core_imports_without_any_extra() -> None:
    finished = run_python(without_extras("from priordiff import *; print(PriorGradScheduler.__name__)"))
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == "PriorGradScheduler"


@pytest.mark.parametrize(
    ("stands_on", "imports"),
    [
        ("import diffusers", "import priordiff"),
        (
            "import torch; from diffusers import DDIMScheduler, DDPMScheduler",  # the paper's is a DDPM
            "from priordiff import PriorGradScheduler, DiagonalPrior",
        ),
    ],
)
def test_importing_loads_nothing_that_is_not_used(stands_on: str, imports: str) -> None:
    program = (
        f"import sys; {stands_on}; before = {{*sys.modules}}; {imports}; print(*{{*sys.modules}} - before)"
    )
    loaded = run_python(program).stdout.split()
    assert "priordiff" in loaded
    assert {name.partition(".")[0] for name in loaded} <= {"priordiff", "einops"}
    assert not {"priordiff.estimators", "priordiff.models", "priordiff.pipelines"} & set(loaded)


def test_names_are_loaded_from_where_type_checkers_see_them() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert sorted(alias.name for node in imports for alias in node.names) == sorted(priordiff.__all__)
    for node in imports:
        for alias in node.names:
            named = getattr(importlib.import_module(node.module or ""), alias.name)
            assert getattr(priordiff, alias.name) is named


def test_completion_knows_names_that_are_not_loaded_yet() -> None:
    finished = run_python("import priordiff; print(*dir(priordiff))")
    assert {*priordiff.__all__, "estimators", "schedulers", "__version__"} <= set(finished.stdout.split())


def test_components_are_saved_under_the_library_s_name_before_its_pipelines_are_loaded(
    tmp_path: Path,
) -> None:
    program = f"""
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
    libraries, classes = finished.stdout.splitlines() or [finished.stderr, ""]
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


@pytest.mark.parametrize(
    ("use", "extra"),
    [
        ("import priordiff.audio; priordiff.audio.LogMelSpectrogram()", "audio"),
        ("import priordiff.training", "train"),
    ],
)
def test_a_missing_extra_is_named_in_one_line(use: str, extra: str) -> None:
    finished = run_python(without_extras(use))
    last_line = finished.stderr.strip().splitlines()[-1]
    assert last_line.startswith("ImportError: ")
    assert f"pip install 'priordiff[{extra}]'" in last_line


def test_version_is_the_same_everywhere() -> None:
    version = priordiff.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [version]
    assert re.findall(r"^## \[(\d.*?)\]", changelog, re.MULTILINE)[0] == version


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_from_lower_floors(room: str) -> None:
    allowed, forbidden = FLOORS[room]
    for path in modules_of(room):
        for name in imports_of(path):
            package, _, rest = name.partition(".")
            assert package not in forbidden, f"{path} imports {name}"
            target = rest.partition(".")[0]
            if package == "priordiff" and target in ROOMS:
                assert target == room or target in allowed, f"{path} imports {name}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_is_public(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assigned = [
        t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)
    ]
    assert "__all__" in assigned


@pytest.mark.parametrize("module_name", ["priordiff", *(f"priordiff.{room}" for room in ROOMS)])
def test_every_public_name_exists_and_has_a_docstring(module_name: str) -> None:
    module = importlib.import_module(module_name)
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{module_name}.{name} has no docstring"


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_an_api_page_with_all_its_public_names(room: str) -> None:
    page = (ROOT / "docs" / "api" / f"{room}.md").read_text(encoding="utf-8")
    directives = re.findall(r"^::: (\S+)$", page, re.MULTILINE)
    assert f"priordiff.{room}" in directives
    assert _packages_in(room) <= set(directives)
    assert f"api/{room}.md" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    documented = {name for directive in directives for name in _names_shown_by(directive)}
    assert set(public_names(f"priordiff.{room}")) <= documented


def _packages_in(room: str) -> set[str]:
    """Folders inside of a room that are public themselves, such as priordiff.audio.metrics."""
    folders = (path.parent.relative_to(ROOT) for path in (PACKAGE / room).rglob("__init__.py"))
    return {".".join(folder.parts) for folder in folders}


def _names_shown_by(directive: str) -> list[str]:
    """A module's page lists its `__all__`, less the functions that a submodule of the same name hides."""
    try:
        module = importlib.import_module(directive)
    except ModuleNotFoundError:
        return [directive.rpartition(".")[2]]
    submodules = {path.stem for path in Path(inspect.getfile(module)).parent.glob("*.py")}
    return [name for name in module.__all__ if name not in submodules]


def test_top_level_names_come_from_documented_rooms() -> None:
    documented = {name for room in ROOMS for name in public_names(f"priordiff.{room}")} | set(ROOMS)
    borrowed = {"DiffusionPipeline", "ModelMixin", "SchedulerMixin"}
    assert set(priordiff.__all__) - borrowed <= documented


def python_blocks(path: Path) -> str:
    return "\n".join(
        re.findall(r"^```python\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )


def test_the_quick_start_runs_as_one_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    exec(compile(python_blocks(ROOT / "docs" / "quickstart.md"), "quickstart.md", "exec"), scope)
    assert scope["x"].shape == scope["x0"].shape
    assert scope["x"].isfinite().all()
    assert torch.equal(scope["audio"], scope["same_audio"])
    assert scope["samples"].isfinite().all()
    assert scope["solver"].model_space == "white"  # as it was trained


def test_the_readme_s_example_runs() -> None:
    pipe = tiny.stable_diffusion().to(torch.float32)
    scope: dict[str, Any] = {"pipe": pipe}
    exec(compile(python_blocks(ROOT / "README.md"), "README.md", "exec"), scope)
    assert len(scope["images"]) == 1
    assert pipe.scheduler.prior is not None


@pytest.mark.parametrize("name", ["demo", "synthesize", "install", "test", "slow"])
def test_the_readme_has_the_sections_that_ci_and_site_read(name: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"\[start:{name}\] -->\n(.*?)<!-- --8<-- \[end:{name}\]", readme, re.DOTALL)
    for path in re.findall(r"examples/\w+(?:/pretrained)?", section):
        assert (ROOT / path).exists(), f"the README names {path}"
