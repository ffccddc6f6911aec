from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

import priordiff
from priordiff.schedulers import refusal, scheduler_classes
from tests.pipelines import tiny
from tests.pipelines.test_image_inpainting import inpainting

DOCS = Path(__file__).parents[1] / "docs"


def run_blocks(page: str) -> dict[str, Any]:
    """Runs the Python blocks of a page as one program, and returns its variables."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    scope: dict[str, Any] = {"__name__": "guide"}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{page}, block {number}", "exec"), scope)
    return scope


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_guide_to_estimators_runs() -> None:
    assert torch.isfinite(run_blocks("estimators.md")["loss"])


def test_the_guide_to_covariances_has_an_example_of_every_structure_and_each_is_invertible() -> None:
    scope = run_blocks("priors.md")
    priors = [value for value in scope.values() if isinstance(value, priordiff.GaussianPrior)]
    structures = {name for name in priordiff.priors.__all__ if name.endswith("Prior")} - {"GaussianPrior"}
    assert structures <= scope.keys()
    for prior in priors:
        shape = (prior.batch_size, *prior.event_shape)
        white = torch.randn(shape)
        torch.testing.assert_close(prior.whiten(prior.color(white)), white, rtol=1e-3, atol=1e-3)
    assert scope["nats_per_element"]["low rank"] == max(scope["nats_per_element"].values())


def test_the_guide_to_pipelines_runs_with_tiny_ones_in_place_of_those_that_it_loads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(kind: type, make: Callable[[], Any]) -> None:
        monkeypatch.setattr(kind, "from_pretrained", lambda name: make().to(torch.float32))

    load(diffusers.StableDiffusionPipeline, tiny.stable_diffusion)
    load(diffusers.StableDiffusion3Pipeline, tiny.stable_diffusion_3)
    load(diffusers.LDMPipeline, tiny.unconditional_latent_diffusion)
    load(diffusers.DiTPipeline, tiny.dit)
    load(priordiff.ImagePipeline, inpainting)
    scope = run_blocks("pipelines.md")
    assert len(scope["images"]) == len(scope["prompts"])
    assert len(scope["variants"]) == len(scope["halves"]) == len(scope["prompts"])
    right = (8, 0, 16, 16)
    assert scope["restored"].crop(right).tobytes() == scope["picture"].crop(right).tobytes()


def test_the_guide_to_fine_tuning_runs_with_a_tiny_pipeline_in_place_of_the_one_that_it_loads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("peft")
    plain = diffusers.StableDiffusionPipeline
    load = plain.from_pretrained.__func__

    def from_pretrained(kind: type, name: str) -> Any:
        return load(kind, name) if Path(name).exists() else tiny.stable_diffusion().to(torch.float32)

    monkeypatch.setattr(plain, "from_pretrained", classmethod(from_pretrained))
    scope = run_blocks("fine-tuning.md")
    assert torch.isfinite(scope["loss"])
    assert len(scope["images"]) == 2
    assert type(scope["again"].unet).__name__ == "PriorAdaptedUNet2DConditionModel"


def test_the_guide_to_schedulers_runs_and_its_table_has_every_scheduler_of_diffusers() -> None:
    assert torch.isfinite(run_blocks("schedulers.md")["x"]).all()
    specification = importlib.util.spec_from_file_location("hook", DOCS / "hooks" / "schedulers.py")
    assert specification is not None
    assert specification.loader is not None
    hook = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(hook)
    page = hook.on_page_markdown((DOCS / "schedulers.md").read_text(encoding="utf-8"))
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in page.splitlines() if row.startswith("| ")}
    for name, plain in scheduler_classes().items():
        assert (refusal(plain) or " | 1e-") in rows[name.removesuffix("Scheduler")]
