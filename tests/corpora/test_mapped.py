from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from priordiff.corpora import MappedArray


def test_items_stand_one_after_the_other(tmp_path: Path) -> None:
    numbers = np.arange(24, dtype=np.float32)
    numbers.tofile(tmp_path / "numbers")
    mapped = MappedArray(tmp_path / "numbers", "float32", (2, 3))
    np.testing.assert_array_equal(mapped.items, numbers.reshape(4, 2, 3))


def test_a_copy_by_pickle_is_small_and_reads_the_same_file(tmp_path: Path) -> None:
    np.arange(100_000).tofile(tmp_path / "numbers")
    pickled = pickle.dumps(MappedArray(tmp_path / "numbers", "int64"))
    assert len(pickled) < 1000
    assert pickle.loads(pickled).items[77] == 77


def test_the_file_cannot_be_changed_through_it(tmp_path: Path) -> None:
    np.arange(3).tofile(tmp_path / "numbers")
    with pytest.raises(ValueError, match="read-only"):
        MappedArray(tmp_path / "numbers", "int64").items[0] = 1
