import signal

import pytest
from accelerate.tracking import get_available_trackers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from priordiff.training.trackers import check_trackers
from tests.training.toy import train


def test_tensorboard_gets_losses_metrics_audio_and_images_without_duplicates(tmp_path):
    tracked = "training.trackers=[tensorboard]"
    train(tmp_path, tracked, signal_at=7, signal_number=signal.SIGTERM)
    train(tmp_path, tracked, resume=True)
    events = EventAccumulator(str(tmp_path / "logs" / tmp_path.name))
    events.Reload()
    tags = events.Tags()
    assert {
        "train/loss",
        "train/loss/sine",
        "train/gradient_norm",
        "train/learning_rate",
        "evaluation/error",
    } <= set(tags["scalars"])
    assert tags["audio"] == ["wave"]
    assert tags["images"] == ["spectrum"]
    assert [event.step for event in events.Scalars("train/loss")] == [3, 6, 8]
    assert [event.step for event in events.Scalars("evaluation/error")] == [3, 6, 8]


def test_an_unknown_tracker_is_refused():
    with pytest.raises(ValueError, match=r"'tensorbored' is none of .*tensorboard"):
        check_trackers(["tensorbored"])


@pytest.mark.skipif("aim" in map(str, get_available_trackers()), reason="aim is installed")
def test_a_tracker_that_is_not_installed_is_refused():
    with pytest.raises(ImportError, match="the tracker aim isn't installed: install it with pip install aim"):
        check_trackers(["tensorboard", "aim"])
