from __future__ import annotations

import pytest

from priordiff.corpora import split_by_hash


def test_every_item_is_on_exactly_one_side_in_order() -> None:
    training, validation = split_by_hash([f"item {index}" for index in range(100)], 0.2)
    assert sorted(training + validation) == list(range(100))
    assert training == sorted(training)
    assert validation == sorted(validation)


def test_items_of_one_key_stand_on_one_side() -> None:
    keys = [f"{index % 17}" for index in range(200)]
    training, validation = split_by_hash(keys, 0.3)
    assert not {keys[index] for index in training} & {keys[index] for index in validation}


def test_the_sides_are_the_same_on_every_machine() -> None:
    _, validation = split_by_hash([f"demo-{index:04d}" for index in range(1, 66)], 0.05)
    assert validation == [27, 58, 64]


@pytest.mark.parametrize("fraction", [1e-9, 1 - 1e-9])
def test_no_side_is_empty(fraction: float) -> None:
    assert all(split_by_hash(["a", "b"], fraction))


def test_one_key_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="a corpus of 1 drawing cannot be split: add at least one more"):
        split_by_hash(["a", "a"], 0.5, "drawing")
