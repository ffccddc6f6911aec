from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel

import priordiff
from priordiff import ClassMomentsEstimator, PriorGradDDPMScheduler

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "training_script"


def patched(original: str, diff: str) -> str:
    """What `patch` makes of a file; every line that the diff quotes has to be there."""
    source, result, position = original.splitlines(keepends=True), [], 0
    for line in diff.splitlines(keepends=True)[2:]:
        hunk = re.match(r"@@ -(\d+)", line)
        if hunk:
            start = int(hunk[1]) - 1
            result += source[position:start]
            position = start
        elif line.startswith("+"):
            result.append(line[1:])
        else:
            quoted = line[1:] if line[0] in " -" else line  # an empty line may be quoted without its space
            assert source[position] == quoted, f"prior.diff does not fit line {position + 1} of train.py"
            position += 1
            if not line.startswith("-"):
                result.append(quoted)
    return "".join(result + source[position:])


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The stock script, and the one that the diff makes of it."""
    stock, changed = FOLDER / "train.py", tmp_path_factory.mktemp("patched") / "train.py"
    diff = (FOLDER / "prior.diff").read_text(encoding="utf-8")
    changed.write_text(patched(stock.read_text(encoding="utf-8"), diff), encoding="utf-8")
    return {"stock": stock, "prior": changed}


@pytest.fixture(scope="module")
def runs(scripts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """For each script the folder that it wrote and what it printed; the two run side by side."""
    folder = tmp_path_factory.mktemp("runs")
    settings = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    processes = {
        name: subprocess.Popen(
            [sys.executable, str(path), "--output_dir", str(folder / name), "--num_epochs", "2"],
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, path in scripts.items()
    }
    finished = {}
    for name, process in processes.items():
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        finished[name] = folder / name, output
    return finished


@pytest.fixture(scope="module")
def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("train", FOLDER / "train.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_at_most_five_lines_change(scripts: dict[str, Path]) -> None:
    stock, changed = (scripts[name].read_text(encoding="utf-8").splitlines() for name in ("stock", "prior"))
    assert "priordiff" not in "\n".join(stock)
    added = [line for line in changed if line not in stock]
    removed = [line for line in stock if line not in changed]
    assert len(removed) <= len(added) <= 5
    assert len(changed) - len(stock) == len(added) - len(removed)


def test_the_page_shows_the_script_and_the_diff() -> None:
    page = (ROOT / "docs" / "training-script.md").read_text(encoding="utf-8")
    for name in ("train.py", "prior.diff"):
        assert f'--8<-- "examples/training_script/{name}"' in page


def test_both_scripts_save_what_diffusers_loads(runs: dict[str, tuple[Path, str]]) -> None:
    stock, prior = runs["stock"][0], runs["prior"][0]
    assert type(DDPMScheduler.from_pretrained(stock, subfolder="scheduler")) is DDPMScheduler
    scheduler = PriorGradDDPMScheduler.from_pretrained(prior, subfolder="scheduler")
    assert scheduler.config["model_space"] == "white"
    for folder in (stock, prior):
        model = UNet2DModel.from_pretrained(folder, subfolder="unet")
        assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_a_prior_makes_every_class_as_wide_as_its_data(
    runs: dict[str, tuple[Path, str]], script: ModuleType
) -> None:
    images, labels = script.make_dataset().tensors
    mean = torch.stack([images[labels == label].mean() for label in range(4)])
    std = torch.stack([images[labels == label].std() for label in range(4)])
    estimator = ClassMomentsEstimator(4, (1, 1, 1), 1e-3).fit([(labels, images)])
    wanted = torch.arange(4).repeat_interleave(64)
    schedulers = {
        "stock": DDPMScheduler.from_pretrained(runs["stock"][0], subfolder="scheduler"),
        "prior": PriorGradDDPMScheduler.from_pretrained(runs["prior"][0], subfolder="scheduler"),
    }
    schedulers["prior"].set_prior(estimator(wanted))
    errors = {}
    for name, scheduler in schedulers.items():
        model = UNet2DModel.from_pretrained(runs[name][0], subfolder="unet").eval()
        sampled = script.sample(model, scheduler, wanted, num_inference_steps=25)
        sampled_mean = torch.stack([sampled[wanted == label].mean() for label in range(4)])
        sampled_std = torch.stack([sampled[wanted == label].std() for label in range(4)])
        errors[name] = ((sampled_mean - mean) / std).abs().max(), (sampled_std / std).log().abs().max()
    assert errors["prior"][0] < 0.25
    assert errors["prior"][1] < 0.3
    for with_prior, without in zip(errors["prior"], errors["stock"], strict=True):
        assert with_prior < without / 2


def test_the_page_samples_what_was_trained_with_any_solver(
    runs: dict[str, tuple[Path, str]], script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = script.make_dataset().tensors
    shutil.copytree(runs["prior"][0], tmp_path / "ddpm-waves")
    ClassMomentsEstimator(4, (1, 1, 1), 1e-3).fit([(labels, images)]).save_pretrained(
        tmp_path / "ddpm-waves" / "estimator"
    )
    page = (ROOT / "docs" / "training-script.md").read_text(encoding="utf-8")
    block = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0]
    (other_solver,) = re.findall(r"`(priordiff\.\S+\.from_config\(scheduler\.config\))`", page)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {"sample": script.sample, "priordiff": priordiff}
    exec(block, scope)
    assert scope["images"].shape == (4, 1, 8, 8)
    solver = eval(other_solver, scope)
    solver.set_prior(scope["estimator"](scope["labels"]))
    from_solver = script.sample(scope["model"], solver, scope["labels"], num_inference_steps=10)
    for of_class, deviation in zip([*scope["images"], *from_solver], 2 * [0.01, 0.3, 0.03, 0.1], strict=True):
        assert 0.3 < of_class.std() / deviation < 2


def test_the_script_s_own_samples_have_the_prior_too(runs: dict[str, tuple[Path, str]]) -> None:
    printed = re.findall(r"class (\d): mean (\S+), standard deviation (\S+)", runs["prior"][1])
    for (label, mean, std), expected_mean, expected_std in zip(
        printed, (-0.9, -0.3, 0.3, 0.9), (0.01, 0.3, 0.03, 0.1), strict=True
    ):
        assert abs(float(mean) - expected_mean) < expected_std, f"class {label}"
        assert 0.5 < float(std) / expected_std < 2, f"class {label}"
