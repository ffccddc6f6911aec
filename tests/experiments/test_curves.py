from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from priordiff.experiments import curve_of, first_reached, mean_curve, minutes_of
from tests.experiments.toy import ToyExperiment, finished


def test_a_curve_reaches_a_value_between_its_points() -> None:
    curve = [(100.0, 2.0), (200.0, 1.0), (300.0, 1.5), (400.0, 0.5)]
    assert first_reached(curve, 1.25) == 175
    assert first_reached(curve, 3.0) == 100
    assert first_reached(curve, 0.75) == pytest.approx(375)
    assert first_reached(curve, 0.4) is None


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> ToyExperiment:
    return finished(ToyExperiment(tmp_path_factory.mktemp("runs"), seeds=(0, 1)))


def test_a_curve_is_over_the_minutes_of_the_run_and_of_the_part_that_it_needs(
    experiment: ToyExperiment,
) -> None:
    part, run = experiment.runs()[:2]
    assert run.needs == (part.directory,)
    points = curve_of(run, "evaluation", "error")
    assert len(points) == 2
    assert points[0][0] > minutes_of(part.directory)
    assert points[-1][0] <= minutes_of(part.directory) + minutes_of(run.directory)


def test_the_mean_of_curves_is_taken_point_by_point(experiment: ToyExperiment) -> None:
    runs = [run for run in experiment.runs() if run.name == "toy"]
    curves = [curve_of(run, "evaluation", "error") for run in runs]
    for point, *points in zip(mean_curve(runs, "error"), *curves, strict=True):
        assert point == pytest.approx([sum(values) / 2 for values in zip(*points, strict=True)])


def cut(file: Path, keep: Callable[[str], bool]) -> None:
    lines = file.read_text().splitlines(True)
    file.write_text("".join(line for line in lines if keep(line)))


@pytest.mark.parametrize("name", ["part-seed0", "toy-seed0"])
def test_a_history_that_says_nothing_or_ends_early_is_named(
    experiment: ToyExperiment, name: str, tmp_path: Path
) -> None:
    output = Path(shutil.copytree(experiment.output, tmp_path / "runs"))
    file, run = output / name / "metrics.jsonl", ToyExperiment(output).runs()[1]
    cut(file, lambda line: '"step": 6' not in line)
    remedy = rf": put back the whole file, or delete \S*{name} to train that run anew$"
    if name == run.directory.name:
        with pytest.raises(ValueError, match=rf"{name}/metrics.jsonl ends at step 5 of 6{remedy}"):
            curve_of(run, "train", "loss")
    cut(file, lambda line: False)
    for kind, measure in (("train", "loss"), ("evaluation", "error")):
        with pytest.raises(ValueError, match=rf"{name}/metrics.jsonl has no lines of the kind .*{remedy}"):
            curve_of(run, kind, measure)


def test_a_history_with_fewer_evaluations_than_that_of_another_seed_is_named(
    experiment: ToyExperiment, tmp_path: Path
) -> None:
    output = Path(shutil.copytree(experiment.output, tmp_path / "runs"))
    runs = [run for run in ToyExperiment(output, seeds=(0, 1)).runs() if run.name == "toy"]
    file = output / "toy-seed1" / "metrics.jsonl"
    cut(file, lambda line: '"evaluation"' not in line or '"step": 6' in line)
    with pytest.raises(ValueError, match=r"toy-seed1/metrics.jsonl has 1 evaluations, where .* has 2: put"):
        mean_curve(runs, "error")
