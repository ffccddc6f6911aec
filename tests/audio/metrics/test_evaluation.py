import math
import sys

import pytest
import torch

from priordiff.audio.mel import LogMelSpectrogram
from priordiff.audio.metrics import SPEECH_METRICS, average_scores, evaluate_speech, evaluation
from priordiff.audio.metrics.words import PACKAGES

SAMPLE_RATE = 22050


@pytest.fixture
def voice():
    time = torch.arange(64 * 256) / SAMPLE_RATE
    noise = 0.01 * torch.randn(len(time), generator=torch.Generator().manual_seed(0))
    return noise + 0.1 * sum(torch.cos(2 * torch.pi * 150 * k * time) / k for k in range(1, 20))


@pytest.fixture
def without_optional_packages(monkeypatch):
    monkeypatch.setattr(evaluation, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "pesq", None)
    monkeypatch.setitem(sys.modules, "distillmos", None)


@pytest.mark.usefixtures("without_optional_packages")
def test_all_measures_of_the_audio_extra_are_taken_in_the_documented_order(voice):
    scores = evaluate_speech(0.5 * voice, voice, SAMPLE_RATE, LogMelSpectrogram())
    assert list(scores) == [name for name in SPEECH_METRICS if name not in ("pesq", "mos", "wer")]
    assert scores["log_mel_mae"] == pytest.approx(math.log(2), rel=0.01)
    assert scores["f0_rmse"] < 1
    assert scores["voicing_error"] < 0.05


def test_optional_measures_are_taken_where_their_packages_are(voice):
    pytest.importorskip("pesq")
    pytest.importorskip("distillmos")
    scores = evaluate_speech(voice, voice, SAMPLE_RATE, LogMelSpectrogram())
    assert list(scores) == [name for name in SPEECH_METRICS if name != "wer"]  # without a text
    assert scores["pesq"] > 4.6
    assert 1 <= scores["mos"] <= 5


@pytest.mark.parametrize("name", ["silence", "noise"])
def test_no_measure_is_ever_nan(voice, name):
    prediction = torch.zeros_like(voice) if name == "silence" else torch.rand_like(voice) - 0.5
    for first, second in ((prediction, voice), (voice, prediction), (prediction, prediction)):
        scores = evaluate_speech(first, second, SAMPLE_RATE, LogMelSpectrogram())
        assert all(math.isfinite(value) for value in scores.values())


def test_a_pitch_error_that_is_undefined_is_left_out(voice):
    scores = evaluate_speech(torch.zeros_like(voice), voice, SAMPLE_RATE, LogMelSpectrogram())
    assert "f0_rmse" not in scores
    assert scores["voicing_error"] > 0.8


def test_bad_input_is_an_error_before_anything_is_measured(voice):
    with pytest.raises(ValueError, match="equal lengths"):
        evaluate_speech(voice[:-1], voice, SAMPLE_RATE, LogMelSpectrogram())
    with pytest.raises(ValueError, match="sample_rate is 0"):
        evaluate_speech(voice, voice, 0, LogMelSpectrogram())


def test_scores_are_averaged_over_the_utterances_that_have_them():
    assert average_scores([{"mcd": 4.0}, {"mcd": 6.0, "pesq": 2.0}]) == {"mcd": 5.0, "pesq": 2.0}


def test_an_average_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one utterance"):
        average_scores([])


def test_words_are_counted_where_the_text_is_given(voice, monkeypatch):
    monkeypatch.setattr(evaluation, "find_spec", lambda name: name in PACKAGES or None)
    monkeypatch.setattr(evaluation, "word_error_rate", lambda waveform, rate, text: len(text) / rate)
    assert evaluate_speech(voice, voice, SAMPLE_RATE, LogMelSpectrogram(), "hi")["wer"] == 2 / SAMPLE_RATE
    assert "wer" not in evaluate_speech(voice, voice, SAMPLE_RATE, LogMelSpectrogram())
