"""The model of drawings that comes with the package, and its autoencoder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

import priordiff.pretrained
from priordiff import ImagePipeline, pretrained_autoencoder, pretrained_images
from priordiff.images import ImageCorpus, openmoji_images, split
from priordiff.images.metrics import psnr
from priordiff.pipelines import LatentSpace

FOLDER = Path(priordiff.pretrained.__file__).parent


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> ImageCorpus:
    """OpenMoji's drawings of 64 × 64 pixels."""
    return ImageCorpus.prepare(openmoji_images(classes="subgroup"), tmp_path_factory.mktemp("cache"), size=64)


@pytest.fixture(scope="module")
def drawings() -> ImagePipeline:
    pipeline = pretrained_images()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def pixels(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1


def test_the_autoencoder_keeps_drawings_that_it_has_never_seen(corpus: ImageCorpus) -> None:
    images = pixels(split(corpus, 0.1)[1].images(range(0, 270, 10)))
    vae = pretrained_autoencoder()
    assert {each.dtype for each in vae.parameters()} == {torch.float32}
    space = LatentSpace(vae)
    latents = space.encode(images)
    assert latents.shape == (27, 4, 16, 16)
    assert 0.7 < float(latents.std()) < 1.3
    assert float(psnr(space.decode(latents), images).mean()) > 24


def test_they_are_small_and_of_half_precision() -> None:
    files = [path for name in ("images", "autoencoder") for path in (FOLDER / name).rglob("*.safetensors")]
    assert len(files) == 3
    everything = [path for name in ("images", "autoencoder") for path in (FOLDER / name).rglob("*")]
    assert sum(path.stat().st_size for path in everything if path.is_file()) <= 10_000_000
    for file in files:
        with safe_open(file, "pt") as weights:
            assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"F16"}  # noqa: SIM118


def test_the_classes_are_those_of_the_drawings(drawings: ImagePipeline, corpus: ImageCorpus) -> None:
    assert tuple(drawings.config.classes) == tuple(corpus.class_names)
    assert {each.dtype for each in drawings.unet.parameters()} == {torch.float32}


def test_samples_look_like_the_class_that_was_asked_for(drawings: ImagePipeline, corpus: ImageCorpus) -> None:
    names = ["face-smiling", "country-flag", "clock", "plant-flower"]
    names = [name for name in names if name in corpus.class_names]
    labels = [list(corpus.class_names).index(name) for name in names]
    means = torch.stack(
        [pixels(corpus.images((corpus.labels == label).nonzero()[:, 0])).mean(0) for label in labels]
    )
    asked = [name for name in names for _ in range(4)]
    generator = torch.Generator().manual_seed(0)
    images = drawings(asked, generator=generator, output_type="pt").images * 2 - 1
    distances = (images[:, None] - means).square().mean(dim=(2, 3, 4))
    hits = distances.argmin(dim=1) == torch.arange(len(names)).repeat_interleave(4)
    assert float(hits.float().mean()) > 0.8
