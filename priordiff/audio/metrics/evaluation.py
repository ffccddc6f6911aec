"""All measures at once, for one utterance and over many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from statistics import fmean

from torch import Tensor

from priordiff._metric import Metric
from priordiff.audio.metrics._pair import UndefinedMetricError, check_pair
from priordiff.audio.metrics.perceptual import mean_opinion_score, pesq
from priordiff.audio.metrics.pitch import fundamental_frequency, rmse_of_voiced, voicing_disagreement
from priordiff.audio.metrics.spectral import (
    LogMel,
    log_mel_mae,
    mel_cepstral_distortion,
    multi_resolution_stft,
)
from priordiff.audio.metrics.words import PACKAGES, word_error_rate

__all__ = ["SPEECH_METRICS", "Metric", "average_scores", "evaluate_alone", "evaluate_speech"]


SPEECH_METRICS = {
    "log_mel_mae": Metric("log-mel MAE", "nats", "lower"),
    "mr_stft": Metric("MR-STFT", "", "lower"),
    "mcd": Metric("MCD", "dB", "lower"),
    "f0_rmse": Metric("F0 RMSE", "Hz", "lower"),
    "voicing_error": Metric("voicing error", "share of frames", "lower"),
    "pesq": Metric("PESQ", "1 to 4.64", "higher"),
    "mos": Metric("estimated MOS", "1 to 5", "higher"),
    "wer": Metric("word errors", "share of words", "lower"),
}
"""The keys of `evaluate_speech`, in the order of its result."""


def evaluate_speech(
    prediction: Tensor, target: Tensor, sample_rate: int, log_mel: LogMel, text: str = ""
) -> dict[str, float]:
    """Compares a synthesised waveform with the recording by every measure that can be taken.

    Always there: `log_mel_mae` in nats, `mr_stft`, `mcd` in dB and `voicing_error` as a share of the frames.
    `pesq` and `mos` are there if the packages of the extra `metrics` are installed, `wer` if those of `words`
    are and the text is given. A measure that has no value for this pair is left out, never NaN: `f0_rmse` in
    Hz where no frame is voiced in both, `pesq` where it finds no speech. `SPEECH_METRICS` has the names and
    units.

    Args:
        prediction: waveform (N,).
        target: waveform (N,), aligned with the prediction.
        sample_rate: of both, in Hz.
        log_mel: the transform, waveforms (B, N) to natural log magnitudes (B, n_mels, F).
        text: what is said in the whole of the target, if that is known.

    Raises:
        ImportError: the extra `audio` is not installed.
        ValueError: the waveforms differ in length, are too short, or hold NaN.

    Example:
        >>> import torch
        >>> bands = lambda waveform: waveform.abs().add(1e-5).log().unflatten(-1, (20, -1))
        >>> scores = evaluate_speech(torch.zeros(8000), torch.randn(8000), 16000, bands)
        >>> "mcd" in scores, "f0_rmse" in scores
        (True, False)
    """
    check_pair(prediction, target, sample_rate)
    prediction, target = prediction.detach(), target.detach()
    f0, f0_target = (fundamental_frequency(waveform, sample_rate) for waveform in (prediction, target))
    measures: dict[str, Callable[[], float]] = {
        "log_mel_mae": lambda: log_mel_mae(prediction, target, sample_rate, log_mel),
        "mr_stft": lambda: multi_resolution_stft(prediction, target, sample_rate),
        "mcd": lambda: mel_cepstral_distortion(prediction, target, sample_rate, log_mel),
        "f0_rmse": lambda: rmse_of_voiced(f0, f0_target),
        "voicing_error": lambda: voicing_disagreement(f0, f0_target),
    }
    if find_spec("pesq"):
        measures["pesq"] = lambda: pesq(prediction, target, sample_rate)
    return {**_taken(measures), **evaluate_alone(prediction, sample_rate, text)}


def evaluate_alone(waveform: Tensor, sample_rate: int, text: str = "") -> dict[str, float]:
    """Judges a waveform by itself, as far as the packages for that are installed.

    `mos`, an estimated opinion from 1 to 5, if those of the extra `metrics` are; `wer`, a share of the words,
    if those of `words` are and the text is given.

    Args:
        waveform: (N,).
        sample_rate: in Hz.
        text: what is said in it, if that is known.

    Raises:
        ValueError: the waveform is not one channel, too short, or holds NaN.

    Example:
        >>> import torch
        >>> evaluate_alone(torch.zeros(16000), 16000).keys() <= {"mos"}
        True
    """
    measures: dict[str, Callable[[], float]] = {}
    if find_spec("distillmos"):
        measures["mos"] = lambda: mean_opinion_score(waveform, sample_rate)
    if text and all(find_spec(package) for package in PACKAGES):
        measures["wer"] = lambda: word_error_rate(waveform, sample_rate, text)
    return _taken(measures)


def _taken(measures: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The values of the measures that have one."""
    scores: dict[str, float] = {}
    for name, measure in measures.items():
        try:
            scores[name] = measure()
        except UndefinedMetricError:
            continue
    return scores


def average_scores(scores: Iterable[dict[str, float]]) -> dict[str, float]:
    """Averages each measure over the utterances that have it.

    Args:
        scores: one result of `evaluate_speech` per utterance.

    Returns:
        The mean of every key that occurs, keys in the order in which they first occur.

    Raises:
        ValueError: there are no utterances.

    Example:
        >>> average_scores([{"mcd": 4.0, "f0_rmse": 20.0}, {"mcd": 6.0}])
        {'mcd': 5.0, 'f0_rmse': 20.0}
    """
    utterances = list(scores)
    if not utterances:
        raise ValueError("there are no scores to average: evaluate at least one utterance")
    names = dict.fromkeys(name for utterance in utterances for name in utterance)
    return {name: fmean(u[name] for u in utterances if name in u) for name in names}
