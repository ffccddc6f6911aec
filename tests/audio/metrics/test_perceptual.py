import sys

import pytest
import torch

from priordiff.audio.espeak import speak
from priordiff.audio.metrics import UndefinedMetricError, mean_opinion_score, pesq


@pytest.fixture(scope="module")
def utterance():
    return speak("The birch canoe slid on the smooth planks.")


def noisy(waveform, std):
    return waveform + std * torch.randn(waveform.shape, generator=torch.Generator().manual_seed(0))


def test_pesq_falls_from_its_best_value_as_noise_is_added(utterance):
    pytest.importorskip("pesq")
    clean = utterance.waveform
    scores = [pesq(noisy(clean, std), clean, utterance.sample_rate) for std in (0.0, 0.01, 0.1)]
    assert scores[0] == pytest.approx(4.644, abs=1e-3)
    assert scores == sorted(scores, reverse=True)
    assert scores[2] < 2


@pytest.mark.parametrize("scale", [0.0, 1e-30])
def test_pesq_of_silence_is_undefined(utterance, scale):
    pytest.importorskip("pesq")
    clean = utterance.waveform
    with pytest.raises(UndefinedMetricError, match="no speech"):
        pesq(scale * clean, clean, utterance.sample_rate)
    with pytest.raises(UndefinedMetricError, match="no speech"):
        pesq(clean, 0 * clean, utterance.sample_rate)


def test_the_estimated_opinion_falls_with_hard_clipping_and_prints_nothing(utterance, capsys):
    pytest.importorskip("distillmos")
    clean = utterance.waveform
    good, bad = (mean_opinion_score(x, utterance.sample_rate) for x in (clean, clean.clamp(-0.02, 0.02)))
    assert 1 <= bad < good - 0.3
    assert good <= 5
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("package", "score"), [("pesq", pesq), ("distillmos", mean_opinion_score)])
def test_a_missing_package_names_the_extra(package, score, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    waveform = torch.randn(16000)
    from priordiff.audio.metrics import perceptual

    perceptual._opinion_model.cache_clear()
    arguments = (waveform, 16000) if package == "distillmos" else (waveform, waveform, 16000)
    with pytest.raises(ImportError, match=r"priordiff\[metrics\]"):
        score(*arguments)
