"""Measures of synthesised speech against a recording: from libraries of the field, or by definition."""

from priordiff._metric import Metric
from priordiff.audio.metrics._pair import UndefinedMetricError
from priordiff.audio.metrics.evaluation import (
    SPEECH_METRICS,
    average_scores,
    evaluate_alone,
    evaluate_speech,
)
from priordiff.audio.metrics.perceptual import mean_opinion_score, pesq
from priordiff.audio.metrics.pitch import f0_rmse, fundamental_frequency, voicing_error
from priordiff.audio.metrics.spectral import log_mel_mae, mel_cepstral_distortion, multi_resolution_stft
from priordiff.audio.metrics.warping import dynamic_time_warping, warped_distances
from priordiff.audio.metrics.words import recognise, word_error_rate

__all__ = [
    "SPEECH_METRICS",
    "Metric",
    "UndefinedMetricError",
    "average_scores",
    "dynamic_time_warping",
    "evaluate_alone",
    "evaluate_speech",
    "f0_rmse",
    "fundamental_frequency",
    "log_mel_mae",
    "mean_opinion_score",
    "mel_cepstral_distortion",
    "multi_resolution_stft",
    "pesq",
    "recognise",
    "voicing_error",
    "warped_distances",
    "word_error_rate",
]
