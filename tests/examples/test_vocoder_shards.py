from __future__ import annotations

from pathlib import Path

import pytest

from priordiff.experiments import read_scores
from vocoder.__main__ import main
from vocoder.judging import SCORES


@pytest.fixture
def shards(speech: Path, tmp_path: Path) -> Path:
    pytest.importorskip("webdataset")
    folder = tmp_path / "shards"
    assert main(["make-shards", "--data", str(speech), "--output", str(folder), "--megabytes", "1"]) == 0
    return folder


def test_shards_train_and_are_judged_as_a_folder_is(shards: Path, tiny: list[str], tmp_path: Path) -> None:
    arguments = [*tiny, "prior=spectral-fit", "compare=[]", "training.num_steps=2"]
    runs = {}
    for name, data in (("folder", tiny[1]), ("shards", str(shards))):
        arguments[1] = data
        assert main([*arguments, "--output", str(tmp_path / name)]) == 0
        runs[name] = tmp_path / name / "spectral-fit-seed0"
        assert (tmp_path / name / "report.html").exists()
    # The same recordings are held out; 16 bits are all the difference between them.
    folder, sharded = ({p.name for p in (run / "evaluation").rglob("*.wav")} for run in runs.values())
    assert folder == sharded
    ours, theirs = (read_scores(run, SCORES) for run in runs.values())
    assert ours["log_mel_mae"] == pytest.approx(theirs["log_mel_mae"], rel=0.2)


def test_what_is_no_folder_of_shards_is_named(
    shards: Path, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (table,) = shards.glob("*.npz")
    table.unlink()
    arguments = [*tiny, "--output", str(tmp_path / "runs")]
    arguments[1] = str(shards)
    assert main(arguments) == 2
    assert "shard-000000.tar has no table shard-000000.npz" in capsys.readouterr().err
    assert main(["make-shards", "--data", str(tmp_path / "none"), "--output", str(shards)]) == 2
    assert "no folder" in capsys.readouterr().err
