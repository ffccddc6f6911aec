from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from benchmarks import evaluations
from benchmarks.evaluations import best_at_cost
from benchmarks.measuring import Options

VALUES = {("a", 1): 3.0, ("b", 1): 2.0, ("a", 2): 2.5, ("a", 4): 1.0, ("b", 4): math.nan, ("b", 8): 1.0}


def test_the_best_at_its_cost_beats_all_that_are_as_cheap() -> None:
    assert best_at_cost(VALUES, "lower") == {("b", 1), ("a", 4)}


def test_where_more_is_better_it_is_the_highest() -> None:
    assert best_at_cost(VALUES, "higher") == {("a", 1)}


def test_equals_at_the_same_cost_are_both_best() -> None:
    assert best_at_cost({("a", 2): 1.0, ("b", 2): 1.0}, "lower") == {("a", 2), ("b", 2)}


class _Drawings:
    """Stands for OpenMoji's drawings, whose features take a minute."""

    network = None

    def __init__(self, class_names: Sequence[str], size: int) -> None:
        assert len(class_names) == 119
        assert size == 64

    def labels(self, count: int) -> Tensor:
        return torch.arange(count)

    def scores(self, samples: Tensor, values: Tensor, labels: Tensor) -> dict[str, float]:
        assert len(samples) == len(values) == len(labels) == 2
        return {"frechet": float(samples.abs().mean())}


def test_out_of_quick_mode_drawings_and_speech_are_judged_at_every_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features = SimpleNamespace(of=lambda images, network: images.as_subclass(_Features))
    for name, value in {
        "Drawings": _Drawings,
        "ImageFeatures": features,
        "IMAGES": 2,
        "SOLVERS": ["ddim"],
        "STEPS_OF_IMAGES": (1, 2),
        "STEPS_OF_SPEECH": (1,),
        "lines_of": lambda file: ["So."],
        "evaluate_alone": lambda audio, rate, text: {"mos": 4.0},
    }.items():
        monkeypatch.setattr(evaluations, name, value)
    options = Options(torch.device("cpu"), rounds=1)
    drawings, voice = evaluations._drawings(options), evaluations._voice(options)
    assert [(row["solver"], row["evaluations"]) for row in drawings.rows] == [("ddim", 1), ("ddim", 2)]
    assert all(row["Fréchet distance"] > 0 for row in drawings.rows)
    assert drawings.rows[0]["best at its cost"] == "yes"
    assert [row["estimated MOS"] for row in voice.rows] == [4.0]


class _Features(Tensor):
    @property
    def values(self) -> Tensor:
        return self
