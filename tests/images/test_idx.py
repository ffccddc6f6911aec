from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from priordiff.images import ImageCorpus, holds_idx, idx_images
from tests.images.idx_files import idx_bytes, write_idx


@pytest.mark.parametrize("packed", [False, True])
def test_images_and_labels_are_those_of_the_files(tmp_path: Path, packed: bool) -> None:
    training = write_idx(tmp_path / "data", "train", [3, 0, 1], packed)
    test = write_idx(tmp_path / "data", "t10k", [2, 1], packed)
    for train, pixels, labels in ((True, training, [3, 0, 1]), (False, test, [2, 1])):
        corpus = ImageCorpus.prepare(idx_images(tmp_path / "data", train), tmp_path / f"{train}", 28)
        assert corpus.labels.tolist() == labels
        assert corpus.class_names == tuple(str(label) for label in range(max(labels) + 1))
        assert torch.equal(corpus.images(), torch.from_numpy(pixels)[:, None].expand(-1, 3, -1, -1))


def test_images_are_resized(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", [0])
    assert idx_images(tmp_path).sources[0].read(32).shape == (3, 32, 32)


def test_classes_may_have_names(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", [0, 1])
    assert idx_images(tmp_path, class_names=["shirt", "shoe", "bag"]).class_names == ("shirt", "shoe", "bag")
    with pytest.raises(ValueError, match="has the label 1, but there are 1 names"):
        idx_images(tmp_path, class_names=["shirt"])


def test_a_changed_file_is_another_version(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", [0, 1])
    before = idx_images(tmp_path).version
    write_idx(tmp_path, "train", [0, 1, 1])
    assert idx_images(tmp_path).version != before


def test_a_folder_is_known_by_its_files(tmp_path: Path) -> None:
    assert not holds_idx(tmp_path)
    write_idx(tmp_path, "t10k", [0])
    assert holds_idx(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no IDX file at .*train-images-idx3-ubyte\.gz"):
        idx_images(tmp_path)


def test_files_without_an_image_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path / "data", "train", [])
    with pytest.raises(ValueError, match=r"there are none of the train images in .*data: expected at least"):
        ImageCorpus.prepare(idx_images(tmp_path / "data"), tmp_path / "cache", 28)


IMAGES = idx_bytes(np.zeros((2, 28, 28)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(IMAGES)[:-20], "can't be unpacked"),
        (IMAGES, "can't be unpacked"),
        (gzip.compress(b""), "is no IDX file of bytes with 3 axes"),
        (gzip.compress(b"\0\0\x0d\x03" + IMAGES[4:]), "is no IDX file of bytes with 3 axes"),
        (gzip.compress(IMAGES[:-1]), "has 1567 values, but its header says 1568"),
        (gzip.compress(idx_bytes(np.zeros((3, 28, 28)))), r"has 3 images, but .* has 2 labels"),
    ],
    # What is packed holds the time: processes that share the tests would name them differently.
    ids=["cut off", "not packed", "empty", "of another type", "one byte short", "of more images than labels"],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    write_idx(tmp_path, "train", [0, 1])
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"train-images-idx3-ubyte\.gz {said}"):
        idx_images(tmp_path)
