from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from priordiff.images import ImageCorpus, ImageRecord, split


def corpus(tmp_path: Path, concepts: list[str]) -> ImageCorpus:
    np.zeros(3 * len(concepts), dtype=np.uint8).tofile(tmp_path / "images.u8")
    records = [ImageRecord(f"{index}", 0, concept) for index, concept in enumerate(concepts)]
    return ImageCorpus(tmp_path / "images.u8", 1, records, ["any"])


def test_images_of_one_concept_stand_on_one_side(tmp_path: Path) -> None:
    training, validation = split(corpus(tmp_path, [f"{index % 40}" for index in range(200)]), 0.25)
    assert len(training) + len(validation) == 200
    sides = [{record.concept for record in part.records} for part in (training, validation)]
    assert not sides[0] & sides[1]
    assert 4 < len(sides[1]) < 16


def test_more_images_of_other_concepts_move_none(tmp_path: Path) -> None:
    few = [f"{index}" for index in range(50)]
    _, before = split(corpus(tmp_path, few), 0.2)
    _, after = split(corpus(tmp_path, [f"{index}" for index in range(100)]), 0.2)
    held_out = {record.concept for record in before.records}
    assert held_out == {record.concept for record in after.records} & set(few)


def test_one_concept_cannot_be_split(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a corpus of 1 concept cannot be split"):
        split(corpus(tmp_path, ["circle", "circle"]), 0.5)
