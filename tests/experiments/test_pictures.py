from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from priordiff.experiments import pictures
from priordiff.experiments.pictures import ImagesConfig, prepare_images
from priordiff.images import dataset_classes, openmoji_images
from tests.images.idx_files import write_idx
from tests.images.pictures import plain


def test_a_folder_is_split_by_concepts(tmp_path: Path) -> None:
    for number in range(20):
        plain(tmp_path / "data" / "robin" / f"{number}.png")
        plain(tmp_path / "data" / "robin" / f"{number}.gif")
    config = ImagesConfig(
        str(tmp_path / "data"), size=8, cache_directory=str(tmp_path / "cache"), validation_fraction=0.3
    )
    training, validation = prepare_images(config)
    assert len(training) + len(validation) == 40
    sides = [{record.concept for record in part.records} for part in (training, validation)]
    assert not sides[0] & sides[1]
    assert training.size == 8


def test_without_a_source_the_drawings_are_openmoji_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def few(*arguments: object) -> object:
        images = openmoji_images(*arguments)
        return replace(images, sources=images.sources[:40])

    monkeypatch.setattr(pictures, "openmoji_images", few)
    config = ImagesConfig(size=16, classes="subgroup", cache_directory=str(tmp_path), validation_fraction=0.2)
    color, line = (prepare_images(replace(config, style=style)) for style in ("color", "line"))
    assert len(color[0].class_names) == 119
    for colored, drawn in zip(color, line, strict=True):
        assert colored.records == drawn.records
        assert not torch.equal(colored.images(), drawn.images())


def test_idx_files_keep_their_own_split(tmp_path: Path) -> None:
    write_idx(tmp_path / "data", "train", [0, 1, 2])
    write_idx(tmp_path / "data", "t10k", [1])
    config = ImagesConfig(str(tmp_path / "data"), size=28, cache_directory=str(tmp_path / "cache"))
    training, validation = prepare_images(config)
    assert (training.labels.tolist(), validation.labels.tolist()) == ([0, 1, 2], [1])
    named, _ = prepare_images(replace(config, dataset="FashionMNIST"))
    assert named.class_names == dataset_classes("FashionMNIST")


def test_of_each_class_as_many_as_are_asked_for_are_learned_from(tmp_path: Path) -> None:
    write_idx(tmp_path / "data", "train", [0, 1, 0, 0, 2, 1])
    write_idx(tmp_path / "data", "t10k", [1, 1, 1])
    config = ImagesConfig(str(tmp_path / "data"), size=28, cache_directory=str(tmp_path / "cache"))
    all_of_them, _ = prepare_images(config)
    training, validation = prepare_images(replace(config, images_per_class=2))
    assert [record.name for record in training.records] == ["0", "1", "2", "4", "5"]
    assert torch.equal(training.images(), all_of_them.images([0, 1, 2, 4, 5]))
    assert len(validation) == 3


@pytest.mark.parametrize("has_directory", [False, True])
def test_a_dataset_lies_in_the_directory_or_in_the_cache(tmp_path: Path, has_directory: bool) -> None:
    root = tmp_path / ("data" if has_directory else "cache/torchvision")
    write_idx(root / "KMNIST" / "raw", "train", [0, 1, 2], packed=False)
    write_idx(root / "KMNIST" / "raw", "t10k", [1], packed=False)
    directory = str(root) if has_directory else None
    config = ImagesConfig(directory, "KMNIST", size=28, cache_directory=str(tmp_path / "cache"))
    training, validation = prepare_images(config)
    assert (len(training), len(validation)) == (3, 1)


def test_sizes_and_sources_do_not_share_a_cache(tmp_path: Path) -> None:
    for name in ("first", "second"):
        for colour in ("red", "blue"):
            plain(tmp_path / name / f"{colour}.png", colour)
    corpora = [
        prepare_images(ImagesConfig(str(tmp_path / name), size=size, cache_directory=str(tmp_path / "cache")))
        for name in ("first", "second")
        for size in (8, 16)
    ]
    assert len(list((tmp_path / "cache").rglob("index.json"))) == 4
    assert [training.images().shape[-1] for training, _ in corpora] == [8, 16, 8, 16]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("directory", ""),
        ("dataset", ""),
        ("size", 0),
        ("style", "black"),
        ("classes", "all"),
        ("validation_fraction", 0.0),
        ("images_per_class", 0),
    ],
)
def test_a_value_that_is_none_is_named(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{key} is {value!r}: expected"):
        ImagesConfig(**{key: value})
