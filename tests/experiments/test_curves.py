from __future__ import annotations

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
