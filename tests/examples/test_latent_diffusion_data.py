"""The images of the latent diffusion example: what is left of them, and how they are encoded."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

pytest.importorskip("efficientnet_lite_pytorch")

from latent_diffusion.autoencoding import make_autoencoder, pixels
from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.degrading import Originals, with_hole, without_colour
from latent_diffusion.encoding import Encodings
from latent_diffusion.holes import hole
from latent_diffusion.pictures import Pictures, prepare_pictures, with_telling_lines
from latent_diffusion.prior_task import PriorTask, held_out_nll
from latent_diffusion.references import Data, References
from priordiff.experiments.pictures import ImagesConfig
from priordiff.images import ImageCorpus, ImageRecord, ImageSet, ImageSource
from priordiff.pipelines import in_grey
from priordiff.training import Draw, load_config
from tests.examples.tiny import LATENT_DIFFUSION, TEXT_FEATURES, as_overrides


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> LatentDiffusionConfig:
    overrides = {
        **LATENT_DIFFUSION,
        "corpus.directory": pictures,
        "corpus.cache_directory": tmp_path_factory.mktemp("cache"),
    }
    return load_config(LatentDiffusionConfig, overrides=as_overrides(overrides))


@pytest.fixture(scope="module")
def data(config: LatentDiffusionConfig) -> Data:
    return Data(*prepare_pictures(config.corpus, with_lines=True), 100)


def test_of_many_training_images_a_few_stand_for_all(data: Data) -> None:
    training, validation = data.all.training, data.all.validation
    few, all_of_them = References(training, validation, 3), References(training, validation, 10_000)
    assert len(few.remembered) == len(few.of_training) == 3
    names = {record.name for record in few.remembered.images.records}
    assert names < {record.name for record in training.images.records}
    assert all_of_them.remembered.images.records == training.images.records


def test_a_hole_is_a_function_of_name_and_seed() -> None:
    holes = [hole(f"image {number}", 16, seed=0) for number in range(60)]
    assert all(torch.equal(each, hole(f"image {number}", 16, seed=0)) for number, each in enumerate(holes))
    assert any(
        not torch.equal(each, hole(f"image {number}", 16, seed=1)) for number, each in enumerate(holes)
    )
    areas = [int(each.sum()) for each in holes]
    middle = torch.zeros(1, 16, 16, dtype=torch.bool)
    middle[:, 4:12, 4:12] = True
    assert sum(torch.equal(each, middle) for each in holes) > 10
    assert areas.count(128) > 10
    assert len({*areas}) > 8
    assert max(areas) <= 144
    assert min(areas) >= 16


def test_a_hole_is_filled_and_nothing_else_changes(config: LatentDiffusionConfig) -> None:
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    originals = Originals(images, ("a", "b"))
    for fill, value in (("white", 1.0), ("grey", 0.0)):
        filled = replace(config, inpainting=replace(config.inpainting, fill=fill))
        left = with_hole(originals, filled, seed=3)
        assert left.hidden is not None
        assert torch.equal(left.hidden, torch.stack([hole(name, 16, 3) for name in "ab"]))
        assert torch.equal(left.images, torch.where(left.hidden, value, images))


def test_lines_stand_for_the_colour_that_is_left_out_and_grey_where_there_are_none() -> None:
    images, lines = torch.rand(2, 2, 3, 8, 8) * 2 - 1
    config = LatentDiffusionConfig()
    left = without_colour(Originals(images, ("a", "b"), lines), config, 0).images
    assert torch.equal(left, in_grey(lines))
    grey = without_colour(Originals(images, ("a", "b")), config, 0).images
    assert torch.equal(grey[:, 0], grey[:, 2])
    white = without_colour(Originals(torch.ones(1, 3, 8, 8), ("a",)), config, 0).images
    torch.testing.assert_close(white, torch.ones(1, 3, 8, 8))


def test_openmoji_s_drawings_come_with_their_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def prepared(config: ImagesConfig) -> tuple[str, str]:
        asked.append(config.style)
        return f"{config.style} to learn from", f"{config.style} held out"

    monkeypatch.setattr("latent_diffusion.pictures.prepare_images", prepared)
    training, validation = prepare_pictures(ImagesConfig(), with_lines=True)
    assert (training.images, training.lines) == ("color to learn from", "line to learn from")
    assert (validation.images, validation.lines) == ("color held out", "line held out")
    for config, with_lines in ((ImagesConfig(), False), (ImagesConfig(directory="photographs"), True)):
        assert prepare_pictures(config, with_lines)[0].lines is None
    assert asked == ["color", "line", "color", "color"]


def test_drawings_whose_lines_say_nothing_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = [torch.full((3, 4, 4), value, dtype=torch.uint8) for value in range(10)]
    blank, frame = torch.full((3, 4, 4), 255, dtype=torch.uint8), torch.full((3, 4, 4), 99, dtype=torch.uint8)

    def corpus(name: str, drawings: list[Tensor]) -> ImageCorpus:
        sources = [
            ImageSource(ImageRecord(f"{number}", 0, f"{number}"), lambda size, drawing=drawing: drawing)
            for number, drawing in enumerate(drawings)
        ]
        return ImageCorpus.prepare(ImageSet(name, "drawings", sources, ("one",), name), tmp_path / name, 4)

    training = corpus("training", [*own[:6], blank, *[frame] * 15])
    validation = corpus("validation", [*own[6:], *[frame] * 10])
    with caplog.at_level(logging.INFO):
        kept = with_telling_lines(Pictures(training, training), Pictures(validation, validation))
    assert [[record.name for record in part.images.records] for part in kept] == [
        list("012345"),
        list("0123"),
    ]
    assert "26 of 36 line drawings are blank or those of more than 20 drawings" in caplog.text
    same = (Pictures(training), Pictures(validation))
    assert with_telling_lines(*same) == same


def test_what_is_seen_is_encoded_with_its_mask(
    config: LatentDiffusionConfig, data: Data, tmp_path: Path
) -> None:
    vae = make_autoencoder(config).eval()
    in_latents = Encodings(config, data, vae, tmp_path / "latents")
    in_pixels = Encodings(config, data, None, tmp_path / "pixels")
    encoded = in_latents.training("inpainting")
    assert len(encoded) == config.inpainting.holes
    assert encoded[0].sample_shape == (2, 8, 8)
    assert encoded[0].conditioning_channels == 3
    assert not torch.equal(encoded[0].conditioning.image, encoded[1].conditioning.image)
    same = (*encoded, *in_latents.training("class"))
    assert len({each.samples.data_ptr() for each in same}) == 1
    assert torch.equal(encoded[0].samples, in_latents.space.encode(pixels(data.all.training.images.images())))
    of_pixels = in_pixels.held_out("inpainting")
    seen, mask = of_pixels.conditioning.image[:, :3], of_pixels.conditioning.image[:, 3:]
    assert torch.equal(torch.where(mask == 0, seen, 0), torch.where(mask == 0, of_pixels.samples, 0))
    expected = [hole(record.name, 16, 0) for record in data.all.validation.images.records]
    assert torch.equal(mask == 1, torch.stack(expected))


@pytest.mark.usefixtures("_texts")
def test_a_caption_is_that_of_the_image_or_its_class(
    config: LatentDiffusionConfig, data: Data, tmp_path: Path
) -> None:
    encoded = Encodings(config, data, None, tmp_path).training("text")[0]
    labels = data.all.training.images.labels
    lengths = torch.tensor([5, 6])[labels]  # "round" and "square"
    assert torch.equal(encoded.conditioning.text.argmax(1), lengths % TEXT_FEATURES)
    assert encoded.text_features == TEXT_FEATURES
    record = replace(data.all.training.images.records[0], caption="a circle")
    named = data.all.training.images.select([0])
    named.records = (record,)
    assert Pictures(named).captions == ["a circle"]


def test_a_learned_prior_describes_held_out_images_better_than_the_standard_one(
    config: LatentDiffusionConfig, data: Data, tmp_path: Path
) -> None:
    encodings, name = Encodings(config, data, None, tmp_path), "super-resolution"
    learned = replace(config, task=name, prior="learned")
    task = PriorTask(learned, encodings.training(name), encodings.held_out(name), num_classes=2)
    before = task.evaluate(0).metrics["nll"]
    optimizer = torch.optim.Adam(task.model.parameters(), lr=1e-2)
    for step in range(40):
        numbers = range(step * 8, step * 8 + 8)
        draws = [Draw(number % len(task.dataset), number, 0) for number in numbers]
        batch = task.collate([task.dataset[draw] for draw in draws])
        loss = task.loss_sums(task.model, batch, [])["nll"] / task.loss_counts(batch)["nll"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = held_out_nll(task.model.eval(), encodings.held_out(name))
    assert after < before - 0.3
    first = data.all.training.images.records[draws[0].index]
    assert task.names(batch)[0] == first.name
