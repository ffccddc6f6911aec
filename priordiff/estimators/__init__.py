"""Conditioning to prior: the interface, and one class per estimator."""

from priordiff.estimators.axis_covariance import AxisCovarianceEstimator
from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.class_moments import ClassMomentsEstimator
from priordiff.estimators.encoded_text import EncodedTextEstimator, PhonemeEstimator
from priordiff.estimators.fourier_power import FourierPowerEstimator
from priordiff.estimators.learned import LearnedDiagonalEstimator, prior_nll
from priordiff.estimators.learned_mel_spectrum import LearnedMelSpectrumEstimator
from priordiff.estimators.mean import MeanEstimator
from priordiff.estimators.mel_energy import MelEnergyEstimator
from priordiff.estimators.mel_spectrum import MelSpectrumEstimator
from priordiff.estimators.offset_noise import OffsetNoiseEstimator
from priordiff.estimators.spec_grad import SpecGradEstimator
from priordiff.estimators.video_noise import VideoNoiseEstimator

__all__ = [
    "AxisCovarianceEstimator",
    "ClassMomentsEstimator",
    "EncodedTextEstimator",
    "FourierPowerEstimator",
    "LearnedDiagonalEstimator",
    "LearnedMelSpectrumEstimator",
    "MeanEstimator",
    "MelEnergyEstimator",
    "MelSpectrumEstimator",
    "OffsetNoiseEstimator",
    "PhonemeEstimator",
    "PriorEstimator",
    "SpecGradEstimator",
    "VideoNoiseEstimator",
    "prior_nll",
]
