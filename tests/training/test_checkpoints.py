import pickle
import resource
import shutil

import pytest
import torch

from priordiff.training.checkpoints import Checkpoints
from tests.training.toy import assert_same, final_state, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train(folder)
    return folder


def test_only_the_latest_checkpoints_are_kept(tmp_path):
    train(tmp_path, "training.keep_checkpoints=3", "training.checkpoint_every=1")
    assert [path.name for path in Checkpoints(tmp_path / "checkpoints", 3).all()] == [
        "step-00000006",
        "step-00000007",
        "step-00000008",
    ]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3


def test_a_full_disk_is_a_one_line_error_and_the_previous_checkpoint_stays(tmp_path):
    train(tmp_path, "training.num_steps=2")
    before = final_state(tmp_path)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, unlimited[1]))
    try:
        with pytest.raises(
            OSError, match=r"could not save checkpoint .*step-00000004.*step-00000002 is kept"
        ) as e:
            train(tmp_path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert "\n" not in str(e.value)
    assert_same(final_state(tmp_path), before)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000002"]


def test_a_checkpoint_holds_no_pickled_code(tmp_path):
    train(tmp_path, "training.num_steps=2")
    (folder,) = Checkpoints(tmp_path / "checkpoints", 1).all()
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "training.pt", "progress.json"}
    assert torch.load(folder / "training.pt", weights_only=True).keys() == {
        "optimizer",
        "lr_scheduler",
        "ema",
    }


@pytest.mark.parametrize("file", ["training.pt", "model.safetensors", "progress.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", bytes(100), pickle.dumps(5), b"[5]", None],
    ids=["empty", "text", "zeros", "a pickled number", "a list", "cut"],
)
def test_a_damaged_checkpoint_is_a_one_line_error_that_names_it(tmp_path, trained, file, content):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    damaged = tmp_path / "checkpoints" / "step-00000008" / file
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(ValueError, match=r"can't resume from .*step-00000008.*delete it") as error:
        train(tmp_path, resume=True)
    assert "\n" not in str(error.value)
