"""The time that several runs will still take."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from priordiff.training import TimeLeft, Trainer
from tests.training.toy import ToyTask, toy_training, train


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_speed_so_far_tells_the_time_left(clock: Clock) -> None:
    time_left = TimeLeft(steps=100, evaluations=4, steps_per_evaluation=25, clock=clock)
    clock.now += 1000
    time_left.start()
    assert math.isnan(time_left.seconds())
    assert str(time_left) == "?"
    clock.now += 10
    time_left.count(steps=5)
    assert time_left.seconds() == pytest.approx(195 * 2)
    assert str(time_left) == "06:30"
    clock.now += 40
    time_left.count(steps=20, evaluations=1)
    assert time_left.seconds() == pytest.approx(150)


def test_a_pause_after_the_start_counts_as_work_does(clock: Clock) -> None:
    time_left = TimeLeft(steps=4, clock=clock)
    time_left.start()
    clock.now += 10
    time_left.count(steps=2)
    clock.now += 10
    time_left.start()
    assert time_left.seconds() == 20


def test_more_work_than_planned_leaves_no_time(clock: Clock) -> None:
    time_left = TimeLeft(steps=2, clock=clock)
    time_left.start()
    clock.now += 1
    time_left.count(steps=3)
    assert (time_left.seconds(), str(time_left)) == (0, "00:00")


@pytest.mark.parametrize("every", [1, 3, 4, 8, 100, None])
@pytest.mark.parametrize("step", [0, 3, 7, 8])
def test_as_many_evaluations_are_planned_as_there_are(every: int | None, step: int) -> None:
    config = toy_training()
    config.evaluate_every = every
    due = [s for s in range(step + 1, 9) if s == 8 or (every and s % every == 0)]
    assert config.num_evaluations(step) == len(due)


def test_the_progress_bar_shows_the_time_of_all_runs_in_a_log_file_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], clock: Clock
) -> None:
    class TimedTask(ToyTask):
        def loss_counts(self, batch):
            clock.now += 10
            return super().loss_counts(batch)

        def evaluate(self, step):
            clock.now += 20
            return super().evaluate(step)

    config = toy_training()
    left = TimeLeft(3 * config.num_steps, 9, steps_per_evaluation=2, clock=clock)
    for run in ("first", "second"):
        assert Trainer(TimedTask(), config, tmp_path / run).fit(time_left=left)
        lines = re.split(r"[\r\n]+", capfd.readouterr().err.strip())
        assert re.fullmatch(rf"{run}: .*loss=\d\.\d{{4}}, all runs: [\d:]+ left\]", lines[-1])
    # One run of eight steps and three evaluations is left.
    assert left.seconds() == pytest.approx(8 * 10 + 3 * 20)
    assert left.steps() == 8 + 3 * 2


def test_a_single_run_speaks_of_itself_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train(tmp_path)
    assert "all runs" not in capfd.readouterr().err
