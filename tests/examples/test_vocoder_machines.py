"""The same command on whatever machine: precision, threads, and the time that it will take."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from priordiff.experiments import time_left_of
from priordiff.training import AUTO, load_config
from tests.training.toy import pretend_cost
from vocoder.__main__ import main
from vocoder.configuration import CONFIGS, VocoderConfig
from vocoder.experiment import VocoderExperiment

CPU_ALONE = pytest.mark.skipif(
    torch.cuda.is_available() or torch.backends.mps.is_available(), reason="for CPUs alone"
)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_leaves_the_precision_to_the_machine(path: Path) -> None:
    assert load_config(VocoderConfig, path).training.mixed_precision == AUTO


def steps_left(experiment: VocoderExperiment) -> float:
    return time_left_of(experiment, experiment.runs()).steps()


@CPU_ALONE
def test_twins_that_are_trained_on_another_machine_have_the_precision_of_the_first(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = [*tiny, "compare=[energy]", "training.mixed_precision=auto", "--output", str(tmp_path)]
    pretend_cost(monkeypatch, 0.5)
    assert main(arguments) == 0
    shutil.rmtree(tmp_path / "energy-seed0")
    pretend_cost(monkeypatch, 15.0)
    with caplog.at_level(logging.WARNING):
        assert main([*arguments, "--resume"]) == 0
    assert sum("15 times as slow" in message for message in caplog.messages) == 1
    for run in ("spectral-seed0", "energy-seed0"):
        stored = load_config(VocoderConfig, tmp_path / run / "config.yaml")
        assert stored.training.mixed_precision == "bf16"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "bfloat16" in page
    assert "mixed_precision: auto" in page


def test_the_time_left_is_that_of_all_runs_and_their_evaluations(
    tiny: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [*tiny, "prior=spectral-fit", "compare=[energy]", "--output", str(tmp_path)]
    with caplog.at_level(logging.INFO):
        assert main(arguments) == 0
    assert "all runs: " in capfd.readouterr().err
    assert sum("all runs: " in message for message in caplog.messages) == 2

    overrides = [argument for argument in tiny if "=" in argument]
    overrides += ["prior=spectral-fit", "compare=[energy]"]
    config = load_config(VocoderConfig, CONFIGS / "demo.yaml", overrides)
    fresh = steps_left(VocoderExperiment(config, [0], tmp_path / "other"))
    finished = steps_left(VocoderExperiment(config, [0], tmp_path))
    # Half a second of audio in two sampling steps, against forward and backward passes of 2 × 8 frames.
    evaluation = 2 * (0.5 * 22050 / 256) / (2.5 * 2 * 8)
    assert finished == pytest.approx((2 + 1) * evaluation), "the last evaluations, and the report"
    assert fresh - finished == pytest.approx(2 * 4 + 2 * 2 * evaluation)
    config = replace(config, training=replace(config.training, num_steps=7))
    longer = steps_left(VocoderExperiment(config, [0], tmp_path))
    assert longer - finished == pytest.approx(2 * 3 + 2 * 2 * evaluation)


def test_a_prior_that_is_learned_takes_its_share_of_the_time(tiny: list[str], tmp_path: Path) -> None:
    overrides = [argument for argument in tiny if "=" in argument] + ["compare=[]"]
    config = load_config(VocoderConfig, CONFIGS / "demo.yaml", overrides)
    left = {}
    for prior in ("spectral", "spectral-fit"):
        config = replace(config, prior=prior)
        left[prior] = steps_left(VocoderExperiment(config, [0], tmp_path))
    config = replace(config, prior="spectral")
    learning, training = VocoderExperiment(config, [0], tmp_path).runs()
    weight = learning.weight
    assert 0 < weight < training.weight == 1
    evaluation = 2 * (0.5 * 22050 / 256) / (2.5 * 2 * 8)
    assert left["spectral"] - left["spectral-fit"] == pytest.approx(weight * (2 + evaluation))
