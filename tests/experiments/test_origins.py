from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from priordiff.experiments import Origins, Run, run_experiment, weights_fingerprint
from tests.experiments.toy import ToyExperiment, finished


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs")
    finished(ToyExperiment(output))
    return output


@pytest.fixture
def output(done: Path, tmp_path: Path) -> Path:
    """A finished experiment of one's own."""
    return Path(shutil.copytree(done, tmp_path / "runs"))


class LongerPart(ToyExperiment):
    """Of which the part alone is trained for longer."""

    def runs(self) -> list[Run]:
        runs = super().runs()
        longer = replace(runs[0].training, num_steps=9)
        return [replace(runs[0], training=longer, config=replace(runs[0].config, training=longer)), *runs[1:]]


class OtherData(ToyExperiment):
    """Whose data are told by a word."""

    word = "sea"

    def origins(self, run: Run, data: str) -> Origins:
        return {"sounds": self.word, **super().origins(run, data)}


@contextmanager
def refused(output: Path, message: str) -> Iterator[None]:
    """Nothing of an experiment may change."""
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    with pytest.raises(ValueError, match=message) as error:
        yield
    assert "\n" not in str(error.value)
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before


def test_a_part_is_not_trained_on_when_a_model_has_learned_from_it(output: Path) -> None:
    message = (
        r"the run in .*toy-seed0 has learned from .*part-seed0, which is at step 6 and would be trained "
        r"up to step 9; choose another --output, or delete what has learned from that \(\S*toy-seed0\)$"
    )
    with refused(output, message):
        run_experiment(LongerPart(output), resume=True)
    shutil.rmtree(output / "toy-seed0")
    assert run_experiment(LongerPart(output), resume=True)
    assert run_experiment(LongerPart(output), resume=True), "all fits again"


def test_a_part_is_not_trained_anew_when_a_model_has_learned_from_it(output: Path) -> None:
    shutil.rmtree(output / "part-seed0")
    with refused(output, r"toy-seed0 has learned from .*part-seed0, which is at step 0"):
        run_experiment(ToyExperiment(output), resume=True)


def test_a_model_does_not_go_on_with_another_part(output: Path) -> None:
    file = output / "part-seed0" / "model" / "weights.safetensors"
    save_file({name: weight + 1 for name, weight in load_file(file).items()}, file)
    message = (
        r"the run in .*toy-seed0 has learned from what has changed since then: part-seed0; choose another"
    )
    with refused(output, message):
        run_experiment(ToyExperiment(output), resume=True)


def test_models_do_not_go_on_with_other_data_and_all_are_named(tmp_path: Path) -> None:
    assert run_experiment(OtherData(tmp_path), resume=False)
    assert run_experiment(OtherData(tmp_path), resume=True)
    other = OtherData(tmp_path)
    other.word = "wind"
    named = r"\(\S*part-seed0, \S*toy-seed0, \S*twin-seed0\)$"
    message = rf"part-seed0 has learned from what has changed since then: sounds; .*{named}"
    with refused(tmp_path, message):
        run_experiment(other, resume=True)


def test_runs_of_which_nothing_is_known_are_resumed(output: Path) -> None:
    for file in output.glob("*/origins.json"):
        file.unlink()
    assert run_experiment(ToyExperiment(output), resume=True)
    assert not list(output.glob("*/origins.json")), "what they began with is still not known"
    assert run_experiment(OtherData(output), resume=True)


def test_a_part_whose_export_is_missing_is_exported_again(output: Path) -> None:
    shutil.rmtree(output / "part-seed0" / "model")
    assert run_experiment(ToyExperiment(output), resume=True)
    assert run_experiment(ToyExperiment(output), resume=True)


@pytest.mark.parametrize("text", ["", "5", "{"])
def test_a_damaged_file_is_named(output: Path, text: str) -> None:
    (output / "toy-seed0" / "origins.json").write_text(text)
    with refused(output, r"toy-seed0/origins.json is damaged .*: delete it"):
        run_experiment(ToyExperiment(output), resume=True)


def test_what_a_run_begins_with_is_kept_by_its_name(done: Path) -> None:
    kept = json.loads((done / "toy-seed0" / "origins.json").read_text())
    assert kept.keys() == {"part-seed0"}
    assert json.loads((done / "twin-seed0" / "origins.json").read_text()) == {}


def test_weights_are_told_apart_by_name_shape_type_and_value() -> None:
    weights = [
        {"a": torch.zeros(4)},
        {"b": torch.zeros(4)},
        {"a": torch.zeros(2, 2)},
        {"a": torch.zeros(4, dtype=torch.int32)},
        {"a": torch.ones(4)},
        {"a": torch.zeros(4), "b": torch.tensor(True)},
    ]
    assert len({weights_fingerprint(each) for each in weights}) == len(weights)
    one, two = torch.ones(3), torch.zeros(2)
    assert weights_fingerprint({"a": one, "b": two}) == weights_fingerprint({"b": two, "a": one})
