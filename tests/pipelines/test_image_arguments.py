"""What a pipeline of images takes, and how it names what does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from PIL import Image

from priordiff import ImagePipeline
from priordiff.pipelines import Conditioning
from priordiff.pipelines.image_arguments import check_image, label_indices, size_of_batch
from tests.pipelines.test_image import CLASSES, CROSS, UNET, make_pipeline, make_unet, quiet, sample, seeded
from tests.pipelines.test_image_restoration import super_resolution


def test_labels_are_read_by_name() -> None:
    assert label_indices(None, None) is None
    indices = label_indices(["b", 0, "a"], ["a", "b"])
    assert indices is not None
    assert indices.tolist() == [1, 0, 0]
    with pytest.raises(ValueError, match=r"no class 1\.5"):
        label_indices(torch.tensor([1.5]), ["a", "b"])


def test_the_batch_has_the_size_of_what_is_given() -> None:
    assert size_of_batch(Conditioning(), None, None) == 1
    assert size_of_batch(Conditioning(), 3, None) == 3
    assert size_of_batch(Conditioning(torch.tensor([0, 1])), 2, ["a", "b"]) == 2
    with pytest.raises(ValueError, match=r"labels, image and text are of \[1, 2\] items"):
        size_of_batch(Conditioning(torch.tensor([0]), text=torch.zeros(2, 4)), None, None)
    check_image(None, (0, 4, 4))
    check_image(torch.zeros(2, 1, 4, 4), (1, 4, 4))
    with pytest.raises(ValueError, match="expected none"):
        check_image(torch.zeros(2, 1, 4, 4), (0, 4, 4))


def test_a_tuple_of_generators_is_a_list_of_them() -> None:
    pipeline = make_pipeline(num_inference_steps=2)
    expected = sample(pipeline, ["cat", "owl"], generator=seeded(0, 1))
    assert torch.equal(sample(pipeline, ["cat", "owl"], generator=tuple(seeded(0, 1))), expected)


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"generator": seeded(0, 1)}, "generator is a list of 2 for 1 images, expected as many"),
        (
            {"generator": 3},
            r"generator=3, expected a torch.Generator, .* torch.Generator\(\).manual_seed\(3\)",
        ),
        ({"generator": [3]}, r"generator=\[3\], expected a torch.Generator, or one for each image"),
        (
            {"num_images": 3},
            "num_images=3, but labels, image or text are for 1: each makes one image, so rep",
        ),
        ({"num_images": 0}, "num_images=0, expected an integer of at least 1"),
        ({"num_images": 1.5}, "num_images=1.5, expected an integer of at least 1"),
        ({"labels": []}, "labels, image and text are of 0 items, expected at least one"),
        ({"labels": 3}, "there is no class 3: expected one of cat, dog, owl, or an index of them"),
        ({"labels": np.array([-1])}, "there is no class -1"),
        ({"labels": [None]}, "there is no class None"),
        ({"guidance_scale": NAN}, "guidance_scale=nan, expected a finite number: 1 for no guidance"),
        ({"guidance_scale": INFINITY}, "guidance_scale=inf, expected a finite number"),
        ({"guidance_scale": "much"}, "guidance_scale='much', expected a finite number"),
        ({"image": Image.new("RGB", (8, 8))}, "image is of type Image, expected none"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_arguments_that_do_not_fit_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_pipeline(num_inference_steps=1)(**{"labels": ["cat"], **arguments})


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            Image.new("RGB", (4, 4)),
            r"type Image, expected a tensor \(batch, 4, 8, 8\): conditioning_of\(images\)",
        ),
        (np.zeros((1, 4, 8, 8)), "image is of type ndarray, expected a tensor"),
        (
            torch.zeros(1, 3, 4, 4),
            r"has shape \(1, 3, 4, 4\), expected .*: conditioning_of\(images\) makes it",
        ),
        (torch.zeros(1, 4, 8, 8, dtype=torch.uint8), "image has dtype torch.uint8, expected floating-point"),
        (torch.full((1, 4, 8, 8), NAN), "image holds NaN or infinity"),
    ],
    ids=["pillow", "array", "shape", "dtype", "nan"],
)
def test_a_conditioning_image_that_does_not_fit_is_named(image: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        super_resolution()(image=image)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (torch.full((1, 6), INFINITY), "text holds NaN or infinity"),
        ("a cat", "text is of type str, expected a tensor of embeddings: give texts as prompts"),
    ],
    ids=["infinity", "words"],
)
def test_embeddings_that_are_no_numbers_are_named(text: Any, message: str) -> None:
    unet = UNet2DConditionModel(**UNET, **CROSS, in_channels=3, out_channels=3, cross_attention_dim=6)
    with pytest.raises(ValueError, match=message):
        quiet(ImagePipeline(unet, DDIMScheduler()))(text=text)


def test_latents_without_an_autoencoder_are_no_images() -> None:
    pipeline = quiet(ImagePipeline(make_unet(4), DDIMScheduler(), classes=CLASSES, num_inference_steps=1))
    with pytest.raises(ValueError, match=r'samples of 4 channels are no images, .* vae=, or .*"latent"'):
        pipeline(["cat"])
    assert sample(pipeline, ["cat"], output_type="latent").shape == (1, 4, 8, 8)
    grey = quiet(ImagePipeline(make_unet(1, classes=None), DDIMScheduler(), num_inference_steps=1))
    assert grey().images[0].mode == "L"
