"""Encoded images of the latent diffusion example in files: when they are used again, and what they take."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from torch import Tensor

pytest.importorskip("efficientnet_lite_pytorch")

from latent_diffusion.autoencoding import make_autoencoder, pixels, standardize
from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.dataset import EncodedDataset
from latent_diffusion.encoding import EncodedImages, Encodings
from latent_diffusion.estimation import fit_estimator
from latent_diffusion.pictures import Pictures
from latent_diffusion.references import Data
from priordiff import ClassMomentsEstimator
from priordiff.experiments.pictures import prepare_images
from priordiff.pipelines import LatentSpace
from priordiff.training import Draw, load_config
from priordiff.training.data import BatchOrder, make_loader
from tests.examples.tiny import LATENT_DIFFUSION, as_overrides


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> LatentDiffusionConfig:
    paths = {"corpus.directory": pictures, "corpus.cache_directory": tmp_path_factory.mktemp("cache")}
    return load_config(LatentDiffusionConfig, overrides=as_overrides({**LATENT_DIFFUSION, **paths}))


@pytest.fixture(scope="module")
def data(config: LatentDiffusionConfig) -> Data:
    training, validation = prepare_images(config.corpus)
    return Data(Pictures(training), Pictures(validation), 100)


@pytest.fixture
def vae(config: LatentDiffusionConfig) -> AutoencoderKL:
    torch.manual_seed(0)
    return make_autoencoder(config).eval().requires_grad_(False)


@pytest.fixture
def encode(
    config: LatentDiffusionConfig, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, EncodedImages]]:
    """Encodes the training images of a task; tells how many images went through the autoencoder."""
    counts: list[int] = []
    of_space = LatentSpace.encode

    def counted(self: LatentSpace, images: Tensor) -> Tensor:
        counts.append(len(images))
        return of_space(self, images)

    monkeypatch.setattr(LatentSpace, "encode", counted)

    def run(
        vae: AutoencoderKL, task: str = "class", data: Data = data, **changes: object
    ) -> tuple[int, EncodedImages]:
        counts.clear()
        first = Encodings(replace(config, **changes), data, vae, tmp_path / "encoded").training(task)[0]
        return sum(counts), first

    return run


def test_what_was_encoded_before_is_not_encoded_again(
    encode: Callable[..., tuple[int, EncodedImages]], vae: AutoencoderKL, data: Data
) -> None:
    count, first = encode(vae)
    assert count == len(first) == len(data.all.training)
    again, second = encode(vae)
    assert again == 0
    assert torch.equal(first.samples, second.samples)
    assert encode(vae, "super-resolution")[0] == count, "their small images alone"
    assert encode(vae, "super-resolution")[0] == 0


def test_another_autoencoder_other_images_and_other_settings_are_encoded_anew(
    encode: Callable[..., tuple[int, EncodedImages]],
    vae: AutoencoderKL,
    data: Data,
    config: LatentDiffusionConfig,
    tmp_path: Path,
) -> None:
    count, before = encode(vae)
    kept = before.samples.clone()
    vae.encoder.conv_in.bias[0] += 0.5
    again, after = encode(vae)
    assert again == count
    assert not torch.equal(kept, after.samples)
    vae.register_to_config(scaling_factor=2.0)
    again, scaled = encode(vae)
    assert again == count
    torch.testing.assert_close(scaled.samples, 2 / 0.18215 * after.samples)
    fewer = Data(data.all.training.select(range(5)), data.all.validation, 100)
    assert encode(vae, data=fewer)[0] == 5
    assert len(list((tmp_path / "encoded" / "training").glob("*.f32"))) == 1, "what is out of date is removed"
    assert encode(vae, "inpainting", fewer)[0] == 4 * 5
    grey = replace(config.inpainting, fill="grey")
    assert encode(vae, "inpainting", fewer, inpainting=grey)[0] == 4 * 5
    more = replace(grey, holes=5)
    assert encode(vae, "inpainting", fewer, inpainting=more)[0] == 5
    assert encode(vae, "inpainting", fewer, inpainting=more, flip=True)[0] == 5 + 5 * 5


def test_a_damaged_file_is_made_again(
    encode: Callable[..., tuple[int, EncodedImages]], vae: AutoencoderKL, tmp_path: Path
) -> None:
    count, first = encode(vae)
    expected = first.samples.clone()
    (file,) = (tmp_path / "encoded" / "training").glob("*.f32")
    del first
    file.write_bytes(file.read_bytes()[:-4])
    again, second = encode(vae)
    assert again == count
    assert torch.equal(second.samples, expected)


def test_the_index_tells_scale_and_statistics(
    encode: Callable[..., tuple[int, EncodedImages]], vae: AutoencoderKL, data: Data, tmp_path: Path
) -> None:
    standardize(vae, data.all.training.images)
    _, encoded = encode(vae)
    content = json.loads((tmp_path / "encoded" / "training" / "index.json").read_text())["content"]
    assert content["shape"] == list(encoded.sample_shape)
    assert (content["shift_factor"], content["scaling_factor"]) == (
        vae.config.shift_factor,
        vae.config.scaling_factor,
    )
    assert content["mean"] == pytest.approx(0, abs=1e-3)
    assert content["std"] == pytest.approx(1, abs=1e-3)


def test_latents_are_standard_after_standardizing(vae: AutoencoderKL, data: Data) -> None:
    standardize(vae, data.all.training.images)
    latents = LatentSpace(vae).encode(pixels(data.all.training.images.images()))
    assert float(latents.mean()) == pytest.approx(0, abs=1e-4)
    assert float(latents.var(unbiased=False)) == pytest.approx(1, abs=1e-4)


def test_worker_processes_map_the_files_instead_of_getting_the_numbers(
    encode: Callable[..., tuple[int, EncodedImages]], vae: AutoencoderKL
) -> None:
    _, encoded = encode(vae, "inpainting")
    small = len(pickle.dumps(replace(encoded, names=())))
    numbers = encoded.samples.nbytes + encoded.conditioning.image.nbytes
    assert small < 2000 < numbers
    copy = pickle.loads(pickle.dumps(encoded))
    assert torch.equal(copy.samples, encoded.samples)
    assert torch.equal(copy.conditioning.image, encoded.conditioning.image)
    assert copy.names == encoded.names
    selected = encoded.select(torch.tensor([2, 0]))
    assert torch.equal(pickle.loads(pickle.dumps(selected)).samples, encoded.samples[[2, 0]])


def test_a_dataset_reads_what_is_mapped(
    encode: Callable[..., tuple[int, EncodedImages]], vae: AutoencoderKL
) -> None:
    _, encoded = encode(vae)
    dataset = EncodedDataset([encoded])
    item = dataset[Draw(3, 0, 0)]
    assert torch.equal(item["sample"], encoded.samples[3])
    loader = make_loader(
        dataset,
        lambda items: torch.stack([each["sample"] for each in items]),
        BatchOrder(len(dataset), 4, 0),
        0,
        2,
    )
    assert [batch.shape for batch in loader] == [(4, 2, 8, 8)] * 2


def test_an_estimator_is_fitted_to_what_is_mapped(
    encode: Callable[..., tuple[int, EncodedImages]], vae: AutoencoderKL, config: LatentDiffusionConfig
) -> None:
    _, encoded = encode(vae)
    fitted = fit_estimator(config, [encoded], 2)
    labels, samples = encoded.conditioning.labels, encoded.samples.clone()
    expected = ClassMomentsEstimator(2, encoded.sample_shape, config.estimator.floor).fit([(labels, samples)])
    torch.testing.assert_close(fitted.mean, expected.mean)
    torch.testing.assert_close(fitted.std, expected.std)
