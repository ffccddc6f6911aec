import os

import pytest
import yaml

from priordiff.training import load_config, read_metrics
from tests.training.toy import ToyConfig, final_state, train


def test_a_run_is_not_overwritten_unless_it_is_resumed(tmp_path):
    train(tmp_path, "training.num_steps=2")
    with pytest.raises(FileExistsError, match="holds a run of 2 steps: pass --resume"):
        train(tmp_path, "training.num_steps=2")


def test_resuming_without_a_checkpoint_starts_from_scratch(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"kind": "train", "step": 0, "seconds": 1}\n')
    train(tmp_path, "training.num_steps=2", resume=True)
    assert final_state(tmp_path)["step"] == "step-00000002"
    assert [row["step"] for row in read_metrics(tmp_path, "train")] == [2]


def test_the_configuration_is_stored_with_the_run(tmp_path):
    train(tmp_path, "training.num_steps=2", "dropout=0.25")
    stored = load_config(ToyConfig, tmp_path / "config.yaml")
    assert stored == load_config(ToyConfig, overrides=["training.num_steps=2", "dropout=0.25"])
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["dropout"] == 0.25


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("training.learning_rate=0.5", "training.learning_rate is 0.5"),
        ("training.ema_decay=null", "training.ema_decay is None"),
        ("dropout=0.5", "dropout is 0.5"),
        ("training.batch_size=3", "global_batch_size is 3"),
        ("training.num_steps=1", "num_steps is 1"),
    ],
)
def test_a_run_is_not_resumed_with_what_would_alter_its_result(tmp_path, override, key):
    train(tmp_path, "training.num_steps=2")
    with pytest.raises(ValueError, match=key):
        train(tmp_path, "training.num_steps=2", override, resume=True)


def test_a_run_is_resumed_with_what_does_not_alter_its_result(tmp_path):
    train(tmp_path, "training.num_steps=2")
    options = [
        "num_workers=1",
        "log_every=1",
        "checkpoint_every=3",
        "batch_size=2",
        "gradient_accumulation_steps=2",
    ]
    train(tmp_path, *(f"training.{option}" for option in options), resume=True)
    assert final_state(tmp_path)["step"] == "step-00000008"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_a_one_line_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match=r"could not write .*Permission denied"):
        train(tmp_path / "run")


def test_a_file_in_the_folders_place_is_a_one_line_error(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OSError, match=r"could not write .*run") as error:
        train(tmp_path / "run")
    assert "\n" not in str(error.value)
