from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from priordiff.images import ImageCorpus, ImageShards, folder_images, make_image_shards

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures of two classes, and a damaged one."""
    random = torch.Generator().manual_seed(0)
    for index in range(6):
        pixels = torch.randint(0, 256, (20, 16, 3), dtype=torch.uint8, generator=random)
        path = tmp_path / "pictures" / ("round", "square")[index % 2] / f"number.{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.numpy()).save(path)
    (tmp_path / "pictures" / "round" / "bad.png").write_bytes(b"nonsense")
    return tmp_path / "pictures"


def test_shards_hold_what_a_corpus_of_the_folder_holds(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = folder_images(folder)
    assert make_image_shards(images, tmp_path / "shards", 8, max_bytes=3000) == 6
    assert "skipped 1" in caplog.text
    assert "bad.png" in (tmp_path / "shards" / "skipped.txt").read_text()
    shards = pickle.loads(pickle.dumps(ImageShards(tmp_path / "shards", 8)))
    corpus = ImageCorpus.prepare(images, tmp_path / "cache", 8)
    assert len(shards.shard_sizes) > 1
    assert sum(shards.shard_sizes) == len(shards) == 6
    assert shards.class_names == corpus.class_names
    assert [shards.record(index) for index in range(6)] == [*corpus.records]
    assert torch.equal(shards.images(range(6)), corpus.images())
    whole = {path.name: path.read_bytes() for path in (tmp_path / "shards").iterdir()}
    sorted((tmp_path / "shards").glob("*.npz"))[-1].unlink()  # killed before the last table
    assert make_image_shards(images, tmp_path / "shards", 8, max_bytes=3000) == 6
    assert {path.name: path.read_bytes() for path in (tmp_path / "shards").iterdir()} == whole


def test_what_does_not_fit_or_is_damaged_is_named(folder: Path, tmp_path: Path) -> None:
    images = folder_images(folder)
    make_image_shards(images, tmp_path / "shards", 8)
    with pytest.raises(ValueError, match="the images have size 8, but 16 is wanted"):
        ImageShards(tmp_path / "shards", 16)
    with pytest.raises(ValueError, match="choose another folder"):
        make_image_shards(images, tmp_path / "shards", 16)
    with pytest.raises(ValueError, match="size is 0"):
        make_image_shards(images, tmp_path / "none", 0)
    shards = ImageShards(tmp_path / "shards", 8)
    path = tmp_path / "shards" / "shard-000000.tar"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\x89PNG", b"\x00PNG"))
    with pytest.raises(
        ValueError, match=r"number%2E0%2Epng in .*shard-000000\.tar cannot be decoded .* no known"
    ):
        shards.images([0])
