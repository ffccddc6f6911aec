import pytest

from priordiff.training import read_metrics
from priordiff.training.metrics import MetricsLog


def test_a_log_is_cut_back_to_the_step_from_which_its_run_goes_on(tmp_path):
    log = MetricsLog(tmp_path)
    for step in (1, 2, 3):
        log.write("train", step, step / 2, {"loss": 1 / step})
    log.write("evaluation", 2, 1.0, {"error": float("nan")})
    with log.path.open("a") as file:
        file.write('{"kind": "train", "st')
    log.truncate(2)
    assert [(row["kind"], row["step"]) for row in read_metrics(tmp_path)] == [
        ("train", 1),
        ("train", 2),
        ("evaluation", 2),
    ]
    assert read_metrics(tmp_path, "train")[1] == {"kind": "train", "step": 2, "seconds": 1.0, "loss": 0.5}
    assert log.is_evaluated(2)
    assert not log.is_evaluated(1)
    log.truncate(0)
    assert read_metrics(tmp_path) == []


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected the folder of a training run"):
        read_metrics(tmp_path)


@pytest.mark.parametrize("line", ["{", "5", "[]", '{"step": 2}', '{"kind": "train", "step": 2}', "\x00\x00"])
def test_a_damaged_line_is_named(tmp_path, line):
    log = MetricsLog(tmp_path)
    log.write("train", 1, 0.5, {"loss": 1.0})
    with log.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(
        ValueError, match=r"line 2 of .*metrics.jsonl is damaged: delete that line, or"
    ) as error:
        read_metrics(tmp_path)
    assert "\n" not in str(error.value)
