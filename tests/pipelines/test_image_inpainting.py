"""What a pipeline that fills in hidden parts of images is conditioned on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from PIL import Image
from torch import Tensor

from priordiff import ImagePipeline
from priordiff.pipelines.image_inpainting import encode_seen, filled, mask_in_cells
from tests.pipelines.test_image import make_unet, make_vae, quiet
from tests.pipelines.test_image_restoration import super_resolution


def inpainting(in_pixels: bool = False, **options: Any) -> ImagePipeline:
    """Of images of 16 × 16 in latents of 8 × 8, or of 8 × 8 in pixels."""
    settings: dict[str, Any] = {"task": "inpainting", "fill": "white", "margin": 1, **options}
    channels, vae = (3, None) if in_pixels else (4, make_vae())
    unet = make_unet(channels=channels, more=channels + 1, classes=None)
    return quiet(ImagePipeline(unet, DDIMScheduler(), vae, **settings))


def some_images(count: int = 2, size: int = 16) -> Tensor:
    return torch.randint(0, 256, (count, 3, size, size)) / 127.5 - 1


def half(size: int = 16) -> Tensor:
    """Hides the left half."""
    mask = torch.zeros(1, 1, size, size)
    mask[..., : size // 2] = 1
    return mask


def in_pillow(image: Tensor) -> Image.Image:
    return Image.fromarray(((image.permute(1, 2, 0) + 1) * 127.5).round().byte().numpy())


def test_a_cell_of_which_a_pixel_is_hidden_is_hidden_and_a_margin_with_it() -> None:
    hidden = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    hidden[..., 7, 8] = True
    without, with_margin = (mask_in_cells(hidden, 4, margin)[0, 0] for margin in (0, 1))
    assert without.nonzero().tolist() == [[1, 2]]
    assert with_margin.nonzero().tolist() == [[row, column] for row in (0, 1, 2) for column in (1, 2, 3)]


@pytest.mark.parametrize(("fill", "value"), [("white", 1.0), ("grey", 0.0)])
def test_what_is_hidden_has_no_influence_and_is_marked(fill: str, value: float) -> None:
    pipeline, images = inpainting(fill=fill), some_images()
    given = pipeline.conditioning_of(images, half())
    assert given.shape == (2, 5, 8, 8)
    assert given[:, 4].unique(dim=0).tolist() == [[[1.0] * 5 + [0.0] * 3] * 8]
    filled_in = torch.where(half() == 1, value, images)
    torch.testing.assert_close(given[:, :4], pipeline.latent_space.encode(filled_in))
    others = torch.where(half() == 1, some_images(), images)
    torch.testing.assert_close(pipeline.conditioning_of(others, half()), given)
    assert pipeline(image=given, num_inference_steps=1).images[1].size == (16, 16)


def test_pixels_have_no_margin() -> None:
    pipeline, images = inpainting(in_pixels=True, margin=3), some_images(size=8)
    given = pipeline.conditioning_of(images, half(8))
    assert torch.equal(given[:, 3:], half(8).expand(2, -1, -1, -1))
    assert torch.equal(given[:, :3], torch.where(half(8) == 1, 1.0, images))


def test_images_and_masks_of_pillow_are_as_good_as_tensors() -> None:
    pipeline, images = inpainting(), some_images()
    masks = torch.cat([half(), half().flip(-1)])
    expected = pipeline.conditioning_of(images, masks)
    in_grey = [Image.fromarray((mask[0] * 255).byte().numpy()) for mask in masks]
    pictures = [in_pillow(image) for image in images]
    torch.testing.assert_close(pipeline.conditioning_of(pictures, in_grey), expected, rtol=1e-5, atol=1e-5)
    of_one = pipeline.conditioning_of(pictures[0], in_grey[0])
    torch.testing.assert_close(of_one, expected[:1], rtol=1e-5, atol=1e-5)
    assert torch.equal(pipeline.conditioning_of(images, masks.bool()), expected)
    for picture, mask in zip(pictures, in_grey, strict=True):
        picture.putalpha(mask.point(lambda value: 255 - value))
    torch.testing.assert_close(pipeline.conditioning_of(pictures), expected, rtol=1e-5, atol=1e-5)


def masks_of_every_kind() -> dict[str, Image.Image]:
    """Masks of 16 × 16 pixels that hide the left half, by what is special about them."""
    left = (half()[0, 0].numpy() * 255).astype(np.uint8)
    white = Image.new("LA", (16, 16), (255, 0))
    white.paste((255, 255), (0, 0, 8, 16))
    turned = Image.fromarray(left.T[::-1].copy())
    turned.getexif()[0x0112] = 6
    return {
        "transparent": white,
        "16-bit": Image.fromarray((left > 0) * np.uint16(40_000) + np.uint16(300)),
        "float": Image.fromarray(left.astype(np.float32) / 255),
        "one-bit": Image.fromarray(left).convert("1"),
        "turned": turned,
    }


@pytest.mark.parametrize("kind", masks_of_every_kind())
def test_a_mask_of_pillow_may_be_of_any_kind(kind: str) -> None:
    pipeline, images = inpainting(), some_images(1)
    expected = pipeline.conditioning_of(images, half())
    assert torch.equal(pipeline.conditioning_of(images, masks_of_every_kind()[kind]), expected)


def test_a_transparent_hole_is_turned_with_its_picture() -> None:
    pipeline, image = inpainting(), some_images(1)
    picture = in_pillow(image[0])
    picture.putalpha(masks_of_every_kind()["one-bit"].convert("L").point(lambda value: 255 - value))
    lying = picture.transpose(Image.Transpose.ROTATE_90)
    lying.getexif()[0x0112] = 6
    assert torch.equal(pipeline.conditioning_of(lying), pipeline.conditioning_of(picture))


def test_a_saved_pipeline_knows_how_holes_are_filled(tmp_path: Path) -> None:
    pipeline, images = inpainting(fill="grey", margin=2), some_images()
    pipeline.save_pretrained(tmp_path)
    loaded = DiffusionPipeline.from_pretrained(tmp_path)
    assert (loaded.config.fill, loaded.config.margin) == ("grey", 2)
    assert torch.equal(loaded.conditioning_of(images, half()), pipeline.conditioning_of(images, half()))


def test_what_is_seen_is_encoded_as_the_pipeline_does() -> None:
    pipeline, images, hidden = inpainting(), some_images(1), half() == 1
    encoded = encode_seen(pipeline.latent_space, filled(images, hidden, "white"), hidden, margin=1)
    assert torch.equal(encoded, pipeline.conditioning_of(images, hidden))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (None, r"mask is missing: expected one of shape \(batch, 1, 16, 16\), 1 where images are hidden"),
        (half(8), r"mask has shape \(1, 1, 8, 8\), expected \(batch, 1, 16, 16\)"),
        (half()[0], r"mask has shape \(1, 16, 16\), expected"),
        (half() * 255, "mask has values from 0 to 255, expected 0 to 1"),
        (half() * torch.nan, "expected 0 to 1"),
        (
            torch.zeros(1, 1, 16, 16),
            "nothing is hidden of image 0: expected a mask that is 1, or white, where",
        ),
        (torch.cat([half(), 0 * half()]), "nothing is hidden of image 1"),
        (half().expand(3, -1, -1, -1), "there are 3 masks for 2 images, expected 1 or as many"),
        (
            [Image.new("L", (8, 16))],
            r"a mask has \(8, 16\) pixels, expected \(16, 16\): scale it to that size",
        ),
        (np.zeros((1, 1, 16, 16)), "a mask is of type ndarray, expected images of Pillow, or one tensor"),
    ],
    ids=[
        "none",
        "size",
        "dimensions",
        "range",
        "nan",
        "nothing",
        "nothing-of-one",
        "number",
        "pillow",
        "array",
    ],
)
def test_masks_that_do_not_fit_are_named(mask: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        inpainting().conditioning_of(some_images(), mask)


def test_pipelines_of_other_tasks_and_without_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="takes none: its task is 'super-resolution'"):
        super_resolution().conditioning_of(torch.zeros(1, 3, 4, 4), half(4))
    with pytest.raises(ValueError, match="fill=None and margin=None, expected what the network was trained"):
        inpainting(fill=None, margin=None).conditioning_of(some_images(), half())
    with pytest.raises(ValueError, match="nothing is hidden of image 0"):
        inpainting().conditioning_of([in_pillow(some_images(1)[0])])
    with pytest.raises(ValueError, match="fill='black', expected one of white, grey"):
        inpainting(fill="black")
    with pytest.raises(ValueError, match="margin=-1, expected an integer of at least 0"):
        inpainting(margin=-1)
