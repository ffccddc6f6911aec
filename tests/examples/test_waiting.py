"""On accelerators, the steps of the examples' trainings wait for nothing, and learn the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from priordiff import LearnedMelSpectrumEstimator
from priordiff.training import load_config
from tests.accelerator.training import simulated_steps, take_steps
from tests.examples.tiny import ACOUSTIC, as_overrides
from vocoder.configuration import CONFIGS, VocoderConfig
from vocoder.data import prepare_corpus
from vocoder.prior_task import PriorTask
from vocoder.task import VocoderTask


def assert_nothing_waits(
    make_task: Any, training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.trackers, training.mixed_precision = [], "no"
    expected = dict(take_steps(make_task(), training, tmp_path / "cpu").task.model.named_parameters())
    device, weights = simulated_steps(make_task(), training, tmp_path / "device", monkeypatch)
    assert device.waits == {}
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected[name].detach(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("prior", "network"),
    [("isotropic", "diffwave"), ("energy", "diffwave"), ("spectral-fit", "frames")],
)
def test_vocoder(
    prior: str, network: str, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [argument for argument in tiny if "=" in argument]
    overrides += [f"prior={prior}", f"network={network}", "loudness_exponent=0.5"]
    config = load_config(VocoderConfig, CONFIGS / "demo.yaml", overrides)
    config.corpus.directory = tiny[tiny.index("--data") + 1]
    corpora = prepare_corpus(config)
    assert_nothing_waits(lambda: VocoderTask(config, *corpora), config.training, tmp_path, monkeypatch)


def test_the_vocoder_with_priors_that_were_kept(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [argument for argument in tiny if "=" in argument]
    config = load_config(VocoderConfig, CONFIGS / "demo.yaml", overrides)
    config.corpus.directory = tiny[tiny.index("--data") + 1]
    corpora, estimator = prepare_corpus(config), LearnedMelSpectrumEstimator(channels=8, layers=1)

    def make_task() -> VocoderTask:
        return VocoderTask(config, *corpora, estimator, tmp_path / "kept")

    assert_nothing_waits(make_task, config.training, tmp_path, monkeypatch)


def test_the_prior_of_the_vocoder(tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = [argument for argument in tiny if "=" in argument]
    config = load_config(VocoderConfig, CONFIGS / "demo.yaml", overrides)
    config.corpus.directory = tiny[tiny.index("--data") + 1]
    corpora = prepare_corpus(config)
    training = config.estimator.training
    assert_nothing_waits(lambda: PriorTask(config, *corpora), training, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("kind", "network"),
    [("prior", "convnext"), ("prior", "diffwave"), ("learned", "convnext"), ("fastspeech2", "convnext")],
)
def test_acoustic_model(
    kind: str,
    network: str,
    speech: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("praatio")
    from acoustic.configuration import CONFIGS, AcousticConfig
    from acoustic.corpus import prepare_corpus
    from acoustic.task import AcousticTask

    given = {
        **ACOUSTIC,
        "corpus.cache_directory": tmp_path_factory.getbasetemp() / "acoustic cache",
        "corpus.directory": speech,
        "network": network,
        "kind": kind,
        "encoder.dropout": 0.0,
        "encoder.predictor_dropout": 0.0,
        "transformer.dropout": 0.0,
    }
    config = load_config(AcousticConfig, CONFIGS / "demo.yaml", as_overrides(given))
    corpus = prepare_corpus(config)
    assert_nothing_waits(lambda: AcousticTask(config, corpus), config.training, tmp_path, monkeypatch)
