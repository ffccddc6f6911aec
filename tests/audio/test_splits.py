from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from priordiff.audio import AudioCorpus, Recording, split


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    np.zeros(5000, dtype=np.float32).tofile(tmp_path / "samples.f32")
    return tmp_path / "samples.f32"


def corpus(samples: Path, names: list[str]) -> AudioCorpus:
    return AudioCorpus(samples, 8000, [Recording(name, None, 1) for name in names])


def names(part: AudioCorpus) -> list[str]:
    return [recording.name for recording in part.recordings]


def test_every_recording_is_on_exactly_one_side_in_order(samples: Path) -> None:
    everything = [f"speaker/{index:03d}" for index in range(100)]
    train, validation = split(corpus(samples, everything), 0.2)
    assert sorted(names(train) + names(validation)) == everything
    assert names(train) == sorted(names(train))
    assert names(validation) == sorted(names(validation))


def test_the_share_is_near_the_fraction(samples: Path) -> None:
    _, validation = split(corpus(samples, [str(index) for index in range(4000)]), 0.1)
    assert 340 < len(validation) < 460


def test_adding_files_moves_no_recording_to_the_other_side(samples: Path) -> None:
    few = [f"{index}" for index in range(0, 600, 3)]
    many = [f"{index}" for index in range(600)]
    _, validation = split(corpus(samples, few), 0.1)
    _, larger_validation = split(corpus(samples, many), 0.1)
    assert set(names(larger_validation)) & set(few) == set(names(validation))


def test_the_sides_are_the_same_on_every_machine(samples: Path) -> None:
    _, validation = split(corpus(samples, [f"demo-{index:04d}" for index in range(1, 66)]), 0.05)
    assert names(validation) == ["demo-0028", "demo-0059", "demo-0065"]


@pytest.mark.parametrize("fraction", [1e-9, 1 - 1e-9])
def test_a_tiny_corpus_has_a_recording_on_each_side(samples: Path, fraction: float) -> None:
    train, validation = split(corpus(samples, ["a", "b", "c"]), fraction)
    assert min(len(train), len(validation)) == 1


def test_one_recording_cannot_be_split(samples: Path) -> None:
    with pytest.raises(ValueError, match="add at least one"):
        split(corpus(samples, ["a"]), 0.5)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_fraction_out_of_range_is_named(samples: Path, fraction: float) -> None:
    with pytest.raises(ValueError, match=f"validation_fraction is {fraction}"):
        split(corpus(samples, ["a", "b"]), fraction)
