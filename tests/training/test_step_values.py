"""What a step has found is looked at when it has come from the accelerator, one step later."""

from __future__ import annotations

import signal
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from priordiff.training import TrainingDivergedError, read_metrics, step_values
from tests.training.toy import assert_same, final_state, train


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """As on CUDA: numbers come later, and are not looked at before an event says so."""
    event = Mock(spec=torch.cuda.Event)
    monkeypatch.setattr(step_values, "_ASYNCHRONOUS", ("cpu",))
    monkeypatch.setattr(torch.cuda, "Event", lambda: event)
    return event


def history(run: Path) -> list[dict[str, object]]:
    return [{**row, "seconds": 0} for row in read_metrics(run)]


def test_weights_and_history_are_those_of_a_host_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    train(tmp_path / "waits", "dropout=0.3")
    event = request.getfixturevalue("late")
    train(tmp_path / "goes on", "dropout=0.3")
    assert_same(final_state(tmp_path / "goes on"), final_state(tmp_path / "waits"))
    assert history(tmp_path / "goes on") == history(tmp_path / "waits")
    assert event.synchronize.call_count == event.record.call_count == 8


def test_the_host_is_a_step_ahead_of_what_it_looks_at(tmp_path: Path, late: Mock) -> None:
    order: list[str] = []
    late.record.side_effect = lambda: order.append("step")
    late.synchronize.side_effect = lambda: order.append("look")
    every = ("training.log_every=4", "training.checkpoint_every=4", "training.evaluate_every=null")
    train(tmp_path, *every, "training.num_steps=4")
    assert order == ["step", "step", "look", "step", "look", "step", "look", "look"]


@pytest.mark.parametrize(("step", "last"), [(4, "step-00000002"), (5, "step-00000004")])
def test_a_nan_is_found_before_anything_is_saved_and_names_its_own_step(
    tmp_path: Path, late: Mock, step: int, last: str
) -> None:
    with pytest.raises(TrainingDivergedError, match=rf"the loss is nan in step {step} .*point-\d") as error:
        train(tmp_path, nan_at=step)
    assert error.value.step == step
    assert final_state(tmp_path)["step"] == last


def test_a_run_that_is_told_to_stop_goes_on_to_the_bits_of_an_unbroken_one(
    tmp_path: Path, late: Mock
) -> None:
    train(tmp_path / "unbroken", "dropout=0.3")
    train(tmp_path / "stopped", "dropout=0.3", signal_at=4, signal_number=signal.SIGTERM)
    assert final_state(tmp_path / "stopped")["step"] in ("step-00000004", "step-00000005")
    train(tmp_path / "stopped", "dropout=0.3", resume=True)
    assert_same(final_state(tmp_path / "stopped"), final_state(tmp_path / "unbroken"))
    assert history(tmp_path / "stopped") == history(tmp_path / "unbroken")
