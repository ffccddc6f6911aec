from __future__ import annotations

import errno
import json
import logging
import os
import pickle
from pathlib import Path

import pytest
import torch

from priordiff.images import ImageCorpus, folder_images, folders, read_image
from tests.images.pictures import plain

COLOURS = ("red", "lime", "blue")


def prepare(tmp_path: Path, size: int = 8) -> ImageCorpus:
    return ImageCorpus.prepare(folder_images(tmp_path / "data"), tmp_path / "cache", size)


def names(corpus: ImageCorpus) -> list[str]:
    return [record.name for record in corpus.records]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for colour in COLOURS:
        plain(tmp_path / "data" / colour / "a.png", colour)
    return tmp_path / "data"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were decoded, in order."""
    calls: list[str] = []

    def counting_read(path: Path, size: int) -> torch.Tensor:
        calls.append(path.parent.name)
        return read_image(path, size)

    monkeypatch.setattr(folders, "read_image", counting_read)
    return calls


def test_images_stand_in_order_with_their_labels(data: Path, tmp_path: Path) -> None:
    corpus = prepare(tmp_path)
    assert corpus.class_names == ("blue", "lime", "red")
    assert corpus.labels.tolist() == [0, 1, 2]
    assert corpus.labels.dtype == torch.int64
    assert corpus.size == 8
    images = corpus.images()
    assert images.shape == (3, 3, 8, 8)
    assert images.dtype == torch.uint8
    assert images[:, :, 0, 0].tolist() == [[0, 0, 255], [0, 255, 0], [255, 0, 0]]
    assert torch.equal(corpus.images([2, 0]), images[[2, 0]])


def test_changing_images_leaves_the_corpus_alone(data: Path, tmp_path: Path) -> None:
    corpus = prepare(tmp_path)
    before = corpus.images([0])
    corpus.images([0]).zero_()
    assert torch.equal(corpus.images([0]), before)


def test_a_selection_of_a_selection_has_its_own_images(data: Path, tmp_path: Path) -> None:
    corpus = prepare(tmp_path)
    selection = corpus.select([2, 0]).select([1, 0, 0])
    assert selection.labels.tolist() == [0, 2, 2]
    assert torch.equal(selection.images(), corpus.images([0, 2, 2]))
    assert selection.class_names == corpus.class_names


def test_a_pickled_corpus_carries_no_pixels(data: Path, tmp_path: Path) -> None:
    corpus = prepare(tmp_path, size=64)
    pickled = pickle.dumps(corpus.select([1, 2]))
    assert len(pickled) < 3 * 64 * 64
    assert torch.equal(pickle.loads(pickled).images(), corpus.images([1, 2]))


def test_unusable_images_are_skipped_counted_and_named(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (data / "red" / "a.png").write_bytes(b"")
    (data / "red" / "b.jpg").write_text("no image")
    (data / "lime" / "gone.gif").symlink_to("missing.gif")
    for _ in range(2):  # made now, and found in the cache
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            corpus = prepare(tmp_path)
        assert "skipped 3 of 5 images" in caplog.text
    assert names(corpus) == ["blue/a.png", "lime/a.png"]
    assert corpus.class_names == ("blue", "lime", "red")  # no file that breaks renumbers the classes
    lines = (tmp_path / "cache" / "skipped.txt").read_text().splitlines()
    assert [any(name in line for line in lines) for name in ("red/a.png", "red/b.jpg", "gone.gif")] == [
        True
    ] * 3


def test_nothing_usable_is_an_error_that_names_a_reason(tmp_path: Path) -> None:
    plain(tmp_path / "data" / "a.png").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"none of the 1 images in .*a\.png cannot be used.*skipped\.txt"):
        prepare(tmp_path)


def test_an_unchanged_folder_is_decoded_once(data: Path, tmp_path: Path, decoded: list[str]) -> None:
    first, second = prepare(tmp_path), prepare(tmp_path)
    assert decoded == ["blue", "lime", "red"]
    assert second.records == first.records
    assert torch.equal(second.images(), first.images())


@pytest.mark.parametrize("change", ["size", "file", "caption"])
def test_a_change_decodes_again(data: Path, tmp_path: Path, decoded: list[str], change: str) -> None:
    prepare(tmp_path)
    if change == "file":
        plain(data / "red" / "a.png", "black", size=(30, 30))
    elif change == "caption":
        (data / "metadata.csv").write_text("file_name,text\nred/a.png,a red picture\n")
    corpus = prepare(tmp_path, size=16 if change == "size" else 8)
    assert len(decoded) == (4 if change == "caption" else 6)
    assert len(list((tmp_path / "cache").glob("images-*"))) == 1
    assert corpus.size == (16 if change == "size" else 8)


@pytest.mark.parametrize("damage", ["truncated images", "missing images", "garbled index"])
def test_a_damaged_cache_is_made_again(data: Path, tmp_path: Path, damage: str) -> None:
    expected = prepare(tmp_path).images()
    (images,) = (tmp_path / "cache").glob("images-*")
    if damage == "truncated images":
        images.write_bytes(images.read_bytes()[:100])
    elif damage == "missing images":
        images.unlink()
    else:
        (tmp_path / "cache" / "index.json").write_text(json.dumps(["not", "ours"]))
    assert torch.equal(prepare(tmp_path).images(), expected)


def test_an_interrupted_preparation_leaves_nothing_half_written(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, size: int) -> torch.Tensor:
        if path.parent.name == "red":
            raise KeyboardInterrupt
        return read_image(path, size)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "read_image", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(tmp_path)
    assert not list((tmp_path / "cache").iterdir())
    assert len(prepare(tmp_path)) == 3


def test_a_full_disk_is_one_line_and_leaves_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match=r"could not write .*cache.* \(No space left on device\)"):
        prepare(tmp_path)
    assert not list((tmp_path / "cache").iterdir())


def test_a_size_that_is_not_positive_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="size is 0, expected a positive number"):
        prepare(tmp_path, size=0)
