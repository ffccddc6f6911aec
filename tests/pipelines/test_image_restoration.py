"""What a pipeline that restores images is conditioned on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, DiffusionPipeline
from PIL import Image

from priordiff import ImagePipeline
from priordiff.images import to_square
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


def drawings_of_every_kind() -> dict[str, Image.Image]:
    """Lines and ramps of 4 × 4 pixels, by what is special about them."""
    ramp = np.arange(16, dtype=np.uint8).reshape(4, 4) * 17
    lines = Image.new("LA", (4, 4), (0, 0))
    lines.paste((0, 255), (1, 0, 2, 4))
    palette = Image.fromarray(ramp).quantize(16)
    palette.info["transparency"] = 3
    turned = Image.fromarray(ramp)
    turned.getexif()[0x0112] = 6
    return {
        "transparent": lines,
        "palette": palette,
        "16-bit": Image.fromarray(ramp.astype(np.uint16) * 257),
        "float": Image.fromarray(ramp.astype(np.float32) / 255),
        "cmyk": Image.fromarray(ramp).convert("CMYK"),
        "turned": turned,
    }


@pytest.mark.parametrize("kind", drawings_of_every_kind())
def test_images_of_pillow_of_any_kind_are_those_that_are_read_from_files(kind: str) -> None:
    picture = drawings_of_every_kind()[kind]
    expected = super_resolution().conditioning_of(to_square(picture, 4)[None] / 127.5 - 1)
    torch.testing.assert_close(super_resolution().conditioning_of(picture), expected, rtol=1e-4, atol=1e-5)


def test_an_image_that_lies_is_measured_as_it_stands() -> None:
    pipeline = super_resolution()
    pipeline.unet.register_to_config(sample_size=[8, 4])
    lying = Image.new("RGB", (4, 2))
    with pytest.raises(ValueError, match=r"an image has \(4, 2\) pixels, expected \(2, 4\)"):
        pipeline.conditioning_of(lying)
    lying.getexif()[0x0112] = 6
    assert pipeline.conditioning_of(lying).shape == (1, 4, 8, 4)


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


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), r"images have dtype torch.uint8, .* images / 127.5 - 1"),
        (torch.full((1, 3, 4, 4), 255.0), "values from 255 to 255, expected -1 to 1: .* images / 127.5 - 1"),
        (torch.full((1, 3, 4, 4), torch.nan), "images have values from nan to nan, expected -1 to 1"),
        (torch.zeros(0, 3, 4, 4), "there are no images, expected a batch of at least one"),
        ([], "there are no images, expected an image at least"),
        (np.zeros((1, 3, 4, 4)), "an image is of type ndarray, expected images of Pillow, or one tensor"),
        ("picture.png", "an image is of type str, expected images of Pillow"),
        (Image.new("F", (4, 4), -1.0), "an image cannot be used: its values are -1.0 to -1.0, expected"),
    ],
    ids=["dtype", "range", "nan", "empty", "none", "array", "path", "floats"],
)
def test_images_of_other_values_and_types_are_named(images: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        super_resolution().conditioning_of(images)


def test_images_of_half_precision_are_taken() -> None:
    images = torch.tensor([-1.0, 1.0]).repeat(2).expand(1, 3, 4, 4)
    given, expected = (super_resolution().conditioning_of(each) for each in (images.half(), images))
    torch.testing.assert_close(given.float(), expected, rtol=1e-2, atol=1e-2)
