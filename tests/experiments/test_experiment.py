from __future__ import annotations

import json
import logging
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from priordiff.experiments import read_scores, run_experiment, time_left_of
from tests.experiments.toy import ToyExperiment, finished
from tests.training.toy import assert_same, final_state


@pytest.fixture(autouse=True)
def _no_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "1")


def test_every_run_is_trained_and_all_but_parts_are_judged_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        experiment = finished(ToyExperiment(tmp_path, seeds=(0, 4)))
    order = ["part-seed0", "toy-seed0", "twin-seed0", "part-seed4", "toy-seed4", "twin-seed4"]
    assert experiment.trained == order
    assert experiment.prepared == 1
    for name in order:
        assert (tmp_path / name / "model" / "weights.safetensors").is_file()
        assert (tmp_path / name / "evaluation").is_dir() != name.startswith("part")
    assert read_scores(tmp_path / "toy-seed4", "scores") == {"seed": 4, "models": 1.0}
    assert json.loads((tmp_path / "report.html").read_text()) == {
        "toy": [{"seed": 0, "models": 1}, {"seed": 4, "models": 1}],
        "twin": [{"seed": 0, "models": 1}, {"seed": 4, "models": 1}],
    }
    summaries = [message for message in caplog.messages if "all runs:" in message]
    assert len(summaries) == 4
    assert f"{tmp_path / 'toy-seed0'}: seed 0; all runs: " in summaries[0]


def test_an_experiment_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = finished(ToyExperiment(tmp_path / "whole"))
    stopped = ToyExperiment(tmp_path / "stopped")
    stopped.faults = {"signal_at": 3, "signal_number": signal.SIGTERM}
    assert not run_experiment(stopped, resume=False)
    assert stopped.trained == ["part-seed0", "toy-seed0"]
    assert not (tmp_path / "stopped" / "report.html").exists()
    resumed = ToyExperiment(tmp_path / "stopped")
    assert run_experiment(resumed, resume=True)
    for run in whole.runs():
        assert_same(final_state(tmp_path / "stopped" / run.directory.name), final_state(run.directory))


def test_nothing_is_done_if_one_of_the_runs_is_there_already(tmp_path: Path) -> None:
    finished(ToyExperiment(tmp_path, seeds=(1,)))
    again = ToyExperiment(tmp_path, seeds=(0, 1))
    with pytest.raises(FileExistsError, match="part-seed1"):
        run_experiment(again, resume=False)
    assert again.prepared == 0
    assert not (tmp_path / "part-seed0").exists()


def test_the_time_left_weighs_steps_and_counts_evaluations(tmp_path: Path) -> None:
    experiment = ToyExperiment(tmp_path)
    fresh = time_left_of(experiment, experiment.runs()).steps()
    # Six steps and two evaluations of each run; three at the end of those that are judged; the report.
    weights = {"part": 0.5, "toy": 1.0, "twin": 2.0}
    evaluations = sum(weights.values()) * 2 + 3 * (1.0 + 2.0) + 1
    assert fresh == pytest.approx(sum(weights.values()) * 6 + 2.0 * evaluations)
    finished(experiment)
    assert time_left_of(experiment, experiment.runs()).steps() == pytest.approx(2.0 * (3 * 3.0 + 1))
    longer = ToyExperiment(tmp_path, training=replace(experiment.training, num_steps=7))
    more = time_left_of(longer, longer.runs()).steps()
    assert more - 2.0 * (3 * 3.0 + 1) == pytest.approx(3.5 + 2.0 * 3.5), "a step, and its evaluation"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"could not make the folder .*file/runs .*choose another --output"):
        run_experiment(ToyExperiment(tmp_path / "file" / "runs"), resume=False)
