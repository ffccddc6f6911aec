"""The pipeline of images with a network that was trained with N(0, I)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DiffusionPipeline, DiTTransformer2DModel, UNet2DConditionModel

from priordiff import ImagePipeline, adapt_to_prior
from priordiff.fine_tuning import PriorAdapterMixin
from tests.pipelines.test_image import CROSS, UNET, make_pipeline, make_unet, make_vae, quiet, sample, seeded

TRANSFORMER = {"num_attention_heads": 2, "attention_head_dim": 4, "num_layers": 1, "norm_num_groups": 4}
NETWORKS: dict[str, Any] = {
    "U-Net": make_unet,
    "U-Net of texts": lambda: UNet2DConditionModel(
        **UNET, **CROSS, cross_attention_dim=6, num_class_embeds=4
    ),
    "transformer": lambda: DiTTransformer2DModel(**TRANSFORMER, in_channels=4, out_channels=8, sample_size=8),
}


@pytest.mark.parametrize("solver", ["ddim", "unipc"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_without_a_prior_its_images_are_those_of_before(kind: str, solver: str) -> None:
    scheduler, network = DDIMScheduler(clip_sample=False), NETWORKS[kind]().eval()
    classes = None if kind == "transformer" else ["cat", "dog", "owl"]
    what: dict[str, Any] = {"num_images": 1} if classes is None else {"labels": ["owl"]}
    options = {**what, "solver": solver, "num_inference_steps": 3}
    plain = sample(pipeline_of(network, scheduler, classes), **options, generator=seeded(0))
    adapted = pipeline_of(adapt_to_prior(network, scheduler), scheduler, classes)
    again = sample(adapted, **options, generator=seeded(0))
    torch.testing.assert_close(again, plain, rtol=1e-4, atol=1e-4)


def pipeline_of(network: Any, scheduler: Any, classes: list[str] | None) -> ImagePipeline:
    return quiet(ImagePipeline(network, scheduler, make_vae(), classes=classes))


def test_under_a_prior_it_follows_the_solver_of_the_call_and_is_saved_with_the_rest(tmp_path: Path) -> None:
    pipeline = make_pipeline(num_inference_steps=3, solver="ddim")
    before = sample(pipeline, ["owl"], generator=seeded(0))
    pipeline.unet = adapt_to_prior(pipeline.unet, DDIMScheduler())
    images = [sample(pipeline, ["owl"], generator=seeded(0), solver=each) for each in ("ddim", "unipc")]
    assert not torch.allclose(images[0], before)
    assert not torch.allclose(images[0], images[1])
    pipeline.save_pretrained(tmp_path)
    loaded = quiet(DiffusionPipeline.from_pretrained(tmp_path))
    assert isinstance(loaded.unet, PriorAdapterMixin)
    assert torch.equal(sample(loaded, ["owl"], generator=seeded(0)), images[0])
