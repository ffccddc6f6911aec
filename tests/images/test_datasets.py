from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from PIL import Image

from priordiff.images import ImageCorpus, dataset_classes, torchvision_images
from tests.images.idx_files import write_idx


class Tiny:
    """A dataset that is split as newer ones of torchvision are."""

    def __init__(self, root: Path, split: str = "train", download: bool = False) -> None:
        if split not in ("train", "val"):
            raise ValueError(f"Unknown value '{split}' for argument split.")
        if download:
            raise RuntimeError("no\nnetwork")
        self.colour = "red" if split == "train" else "blue"

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return Image.new("RGB", (10, 8), self.colour), index % 2


class Videos(Tiny):
    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return torch.zeros(2, 3, 8, 8), 0


class Annotated(Tiny):
    def __init__(self, root: Path, annotations: Path, split: str = "train") -> None:
        pass


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    write_idx(raw, "train", [9, 0, 4], packed=False)
    write_idx(raw, "t10k", [1, 2], packed=False)
    return tmp_path / "data"


def use(monkeypatch: pytest.MonkeyPatch, dataset_class: type) -> str:
    monkeypatch.setattr(torchvision.datasets, dataset_class.__name__, dataset_class, raising=False)
    return dataset_class.__name__


def test_the_parts_are_the_dataset_s_own(mnist: Path, tmp_path: Path) -> None:
    for train, labels in ((True, [9, 0, 4]), (False, [1, 2])):
        images = torchvision_images("FashionMNIST", mnist, train)
        corpus = ImageCorpus.prepare(images, tmp_path / f"{train}", 32)
        assert corpus.labels.tolist() == labels
        assert corpus.class_names == dataset_classes("FashionMNIST")
        assert corpus.images().shape == (len(labels), 3, 32, 32)


def test_a_dataset_without_a_test_is_validated_by_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for train, colour in ((True, [255, 0, 0]), (False, [0, 0, 255])):
        images = torchvision_images(use(monkeypatch, Tiny), tmp_path, train)
        assert images.class_names == ("0", "1")
        assert [source.record.label for source in images.sources] == [0, 1, 0]
        assert images.sources[1].read(4)[:, 0, 0].tolist() == colour


def test_a_dataset_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"CIFAR10 is not in .*gone .*ask for its download, or put"):
        torchvision_images("CIFAR10", tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


def test_a_download_that_fails_is_named_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match=r"Tiny could not be downloaded to .* \(no network\)"):
        torchvision_images(use(monkeypatch, Tiny), tmp_path, download=True)


@pytest.mark.parametrize("name", ["NIST", "ImageFolder", "VisionDataset", "mnist", "__name__", "EuroSAT"])
def test_what_is_no_dataset_in_two_parts_is_named(tmp_path: Path, name: str) -> None:
    for function in (lambda: torchvision_images(name, tmp_path), lambda: dataset_classes(name)):
        with pytest.raises(ValueError, match=f"dataset is '{name}', expected one of torchvision's"):
            function()


@pytest.mark.parametrize("dataset_class", [Videos, Annotated])
def test_what_is_no_dataset_of_labelled_images_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset_class: type
) -> None:
    with pytest.raises(ValueError, match=f"dataset is '{dataset_class.__name__}', "):
        torchvision_images(use(monkeypatch, dataset_class), tmp_path)


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(ImportError, match=r"priordiff\[images\]"):
        torchvision_images("MNIST", tmp_path)
