from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from priordiff.experiments import agree_on_precision, by_name, check_runs, check_seeds, run_experiment
from priordiff.training import AUTO
from tests.experiments.toy import ToyExperiment, finished
from tests.training.toy import toy_training


def test_equal_seeds_and_seeds_out_of_range_are_refused() -> None:
    check_seeds([0, 7, 2**32 - 1])
    with pytest.raises(ValueError, match="--seeds has 3 twice"):
        check_seeds([3, 1, 3])
    with pytest.raises(ValueError, match="seed is -1"):
        check_seeds([0, -1])


def test_the_models_of_a_name_are_its_runs_over_seeds_and_parts_are_none() -> None:
    runs = ToyExperiment(Path("runs"), seeds=(5, 6)).runs()
    groups = by_name(runs)
    assert list(groups) == ["toy", "twin"]
    assert [run.seed for run in groups["twin"]] == [5, 6]


def test_runs_can_be_keys_whatever_their_configuration() -> None:
    first, second = ToyExperiment(Path("runs")).runs(), ToyExperiment(Path("runs")).runs()
    assert {run: run.name for run in first} == {run: run.name for run in second}


def test_a_run_that_is_there_is_found_before_any_work(tmp_path: Path) -> None:
    experiment = finished(ToyExperiment(tmp_path))
    with pytest.raises(FileExistsError, match="part-seed0 holds a run of 6 steps: pass --resume"):
        check_runs(experiment.runs(), resume=False)
    check_runs(experiment.runs(), resume=True)
    other = ToyExperiment(tmp_path, training=replace(experiment.training, learning_rate=1.0))
    with pytest.raises(ValueError, match=r"learning_rate is 1.0, but the run in .*part-seed0 has 0.01"):
        check_runs(other.runs(), resume=True)


@pytest.mark.parametrize("precision", [AUTO, "no"])
def test_models_that_are_begun_later_have_the_precision_of_the_first(tmp_path: Path, precision: str) -> None:
    training = replace(toy_training(), num_steps=1, mixed_precision="bf16")
    run_experiment(ToyExperiment(tmp_path, seeds=(0,), training=training), resume=False)
    later = ToyExperiment(tmp_path, seeds=(0, 1), training=replace(training, mixed_precision=precision))
    agreed = agree_on_precision(later.runs())
    expected = "bf16" if precision == AUTO else precision
    for run in agreed:
        assert run.training.mixed_precision == (precision if run.is_part else expected)
        assert run.config.training is run.training
    assert {run.training.mixed_precision for run in later.runs()} == {precision}, "these are left alone"
