"""What a pipeline that restores images is conditioned on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, DiffusionPipeline
from PIL import Image

from priordiff import ImagePipeline
from priordiff.pipelines import RESTORATIONS, enlarged, in_grey
from tests.pipelines.test_image import make_unet, make_vae, quiet


def super_resolution(factor: int = 4) -> ImagePipeline:
    """In latents of 8 × 8 for images of 16 × 16."""
    unet = make_unet(channels=4, more=4, classes=None)
    return quiet(ImagePipeline(unet, DDIMScheduler(), make_vae(), task="super-resolution", factor=factor))


def test_small_images_are_enlarged_and_encoded_as_the_training_s_are() -> None:
    pipeline, images = super_resolution(), torch.rand(2, 3, 16, 16) * 2 - 1
    small = F.avg_pool2d(images, 4)
    assert (pipeline.image_size, pipeline.given_size) == ((16, 16), (4, 4))
    given = pipeline.conditioning_of(small)
    assert torch.equal(given, pipeline.latent_space.encode(enlarged(small, 4)))
    assert pipeline(image=given, num_inference_steps=1)[0][0].size == (16, 16)


def test_images_of_pillow_are_as_good_as_tensors() -> None:
    pixels = torch.randint(0, 256, (4, 4, 3), dtype=torch.uint8)
    image = Image.fromarray(pixels.numpy())
    tensor = pixels.permute(2, 0, 1)[None] / 127.5 - 1
    expected = super_resolution().conditioning_of(tensor)
    torch.testing.assert_close(super_resolution().conditioning_of([image]), expected, rtol=1e-5, atol=1e-5)


def test_a_saved_pipeline_knows_what_it_restores(tmp_path: Path) -> None:
    pipeline, small = super_resolution(factor=2), torch.zeros(1, 3, 8, 8)
    pipeline.save_pretrained(tmp_path)
    loaded = DiffusionPipeline.from_pretrained(tmp_path)
    assert (loaded.config.task, loaded.config.factor) == ("super-resolution", 2)
    assert torch.equal(loaded.conditioning_of(small), pipeline.conditioning_of(small))


def test_every_restoration_keeps_images_in_range() -> None:
    for restoration in RESTORATIONS.values():
        steps = torch.tensor([-1.0, 1.0]).repeat(4).expand(1, 3, 8, 8)
        assert restoration(steps, 2).abs().max() <= 1


def colouring() -> ImagePipeline:
    """In latents of 8 × 8 for images of 16 × 16."""
    unet = make_unet(channels=4, more=4, classes=None)
    return quiet(ImagePipeline(unet, DDIMScheduler(), make_vae(), task="colouring"))


def test_drawings_to_be_coloured_are_of_the_size_of_the_images() -> None:
    pipeline, lines = colouring(), (torch.rand(1, 1, 16, 16) * 2 - 1).expand(-1, 3, -1, -1)
    torch.testing.assert_close(pipeline.conditioning_of(lines), pipeline.latent_space.encode(lines))


def test_images_to_be_coloured_lose_their_colours() -> None:
    pipeline, images = colouring(), torch.rand(1, 3, 16, 16) * 2 - 1
    grey = in_grey(images)
    assert torch.equal(grey[:, 0], grey[:, 2])
    torch.testing.assert_close(in_grey(torch.ones(1, 3, 2, 2)), torch.ones(1, 3, 2, 2))
    assert torch.equal(pipeline.conditioning_of(images), pipeline.latent_space.encode(grey))
    assert pipeline(image=pipeline.conditioning_of(images), num_inference_steps=1).images[0].size == (16, 16)


def test_images_of_another_size_and_pipelines_without_any_are_refused() -> None:
    pipeline = super_resolution()
    with pytest.raises(ValueError, match=r"\(1, 3, 16, 16\), expected \(batch, 3, 4, 4\): scale"):
        pipeline.conditioning_of(torch.zeros(1, 3, 16, 16))
    with pytest.raises(ValueError, match=r"an image has \(5, 4\) pixels, expected \(4, 4\)"):
        pipeline.conditioning_of([Image.new("RGB", (5, 4))])
    plain = ImagePipeline(make_unet(3, 0, None), DDIMScheduler(), task="unconditional")
    with pytest.raises(ValueError, match="its task is 'unconditional', expected one of super-res"):
        plain.conditioning_of(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="factor=0, expected an integer of at least 1"):
        super_resolution(factor=0)
