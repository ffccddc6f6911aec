from __future__ import annotations

import itertools
import sys

import pytest
import torch

from priordiff.audio import Utterance, speak

TEXT = "She sees six ships, and the sun."


def segments(utterance: Utterance, symbol: str) -> list[torch.Tensor]:
    starts = [start for _, start in utterance.phonemes] + [len(utterance.waveform)]
    return [
        utterance.waveform[start:end]
        for (name, start), end in zip(utterance.phonemes, starts[1:], strict=True)
        if name == symbol
    ]


def zero_crossing_rate(samples: torch.Tensor) -> float:
    return (samples.sign().diff() != 0).float().mean().item()


def test_the_same_words_give_the_same_samples_whatever_was_spoken_before() -> None:
    first = speak(TEXT)
    speak("Something else, in another voice.", voice="en+f3", rate=220, pitch=80)
    second = speak(TEXT)
    assert torch.equal(first.waveform, second.waveform)
    assert first.phonemes == second.phonemes


def test_speech_is_audible_and_within_full_scale() -> None:
    utterance = speak(TEXT)
    assert utterance.sample_rate == 22050
    assert utterance.waveform.dtype == torch.float32
    assert 0.1 < utterance.waveform.abs().max() <= 1


@pytest.mark.parametrize("voice", ["en-us", "en+f3", "en-gb-scotland+m7"])
def test_phonemes_cover_the_waveform_without_gap_or_overlap(voice: str) -> None:
    utterance = speak(TEXT, voice=voice)
    starts = [start for _, start in utterance.phonemes]
    assert starts[0] == 0
    assert all(start < end for start, end in itertools.pairwise([*starts, len(utterance.waveform)]))
    symbols = [symbol for symbol, _ in utterance.phonemes]
    assert ("_", "_") not in itertools.pairwise(symbols)
    assert symbols.count("s") == 5


def test_phonemes_lie_where_they_sound() -> None:
    utterance = speak(TEXT)
    hissing = [zero_crossing_rate(samples) for samples in segments(utterance, "s")]
    voiced = [zero_crossing_rate(samples) for samples in segments(utterance, "n")]
    assert min(hissing) > 2 * max(voiced)


def test_a_higher_rate_is_shorter() -> None:
    assert len(speak(TEXT, rate=250).waveform) < 0.8 * len(speak(TEXT, rate=130).waveform)


def test_pitch_and_voice_change_the_samples() -> None:
    waveforms = [speak(TEXT).waveform, speak(TEXT, pitch=80).waveform, speak(TEXT, voice="en-us+f3").waveform]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(waveforms, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"voice": "nowhere"}, "nowhere"),
        ({"voice": "en-us+nobody"}, "nobody"),
        ({"rate": 20}, "20"),
        ({"pitch": 101}, "101"),
        ({"text": " "}, "nothing to speak"),
    ],
)
def test_what_cannot_be_spoken_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        speak(**{"text": TEXT, **arguments})


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ImportError, match=r"priordiff\[audio\]"):
        speak(TEXT)
