"""Estimates of what listeners would say, by packages of the extra `metrics`."""

from __future__ import annotations

import contextlib
import io
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from priordiff._extra import require
from priordiff.audio.metrics._pair import UndefinedMetricError, check_pair, check_waveform

__all__ = ["mean_opinion_score", "pesq"]

_SAMPLE_RATE = 16000


def mean_opinion_score(waveform: Tensor, sample_rate: int) -> float:
    """Estimated mean opinion score, 1 (bad) to 5 (excellent), of one waveform without a reference.

    The network of Stahl and Gamper ("Distillation and pruning for scalable self-supervised
    representation-based speech quality assessment", ICASSP 2025), with the weights that the package
    `distillmos` carries. It hears 0 to 8 kHz. It learned from people's recordings: the speech of a formant
    synthesiser gets about 2 however clean it is, and a whisper made of it can get more, so compare models by
    this score on recorded speech alone.

    Args:
        waveform: (N,).
        sample_rate: in Hz.

    Raises:
        ImportError: `distillmos` is not installed.
        ValueError: the waveform is not one channel, too short, or holds NaN.

    Example:
        >>> import torch
        >>> score = mean_opinion_score(torch.randn(8000), 16000)  # doctest: +SKIP
    """
    check_waveform(waveform, sample_rate, "waveform")
    model = _opinion_model(str(waveform.device))
    with torch.inference_mode():
        return float(model(_resample(waveform, sample_rate)[None]))


def pesq(prediction: Tensor, target: Tensor, sample_rate: int) -> float:
    """Wide-band PESQ (ITU-T P.862.2), 1.0 (bad) to 4.64 (the same sound), as the package `pesq` computes it.

    Args:
        prediction: waveform (N,).
        target: waveform (N,), aligned with the prediction.
        sample_rate: of both, in Hz; both are resampled to 16 kHz.

    Raises:
        ImportError: `pesq` is not installed.
        UndefinedMetricError: PESQ finds no speech in one of the two.
        ValueError: the waveforms differ in length, are too short, or hold NaN.

    Example:
        >>> import torch
        >>> score = pesq(torch.randn(8000), torch.randn(8000), 16000)  # doctest: +SKIP
    """
    check_pair(prediction, target, sample_rate)
    package = require("pesq", "metrics")
    degraded, reference = (
        _resample(waveform, sample_rate).cpu().numpy() for waveform in (prediction, target)
    )
    try:
        # On silence the package divides by zero before it refuses.
        if not (degraded.any() and reference.any()):
            raise package.NoUtterancesError
        return float(package.pesq(_SAMPLE_RATE, reference, degraded, "wb"))
    except (package.NoUtterancesError, ValueError) as error:
        raise UndefinedMetricError("PESQ finds no speech in the prediction or the target") from error


@lru_cache
def _opinion_model(device: str) -> Any:
    # The package announces its weights on standard output, across the caller's progress bar.
    with contextlib.redirect_stdout(io.StringIO()):
        return require("distillmos", "metrics").ConvTransformerSQAModel().eval().to(device)


def _resample(waveform: Tensor, sample_rate: int) -> Tensor:
    return require("torchaudio", "audio").functional.resample(
        waveform.detach().float(), sample_rate, _SAMPLE_RATE
    )
