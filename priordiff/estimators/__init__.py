"""Conditioning to prior: the interface, and one class per estimator."""

from priordiff.estimators.axis_covariance import AxisCovarianceEstimator
from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.class_moments import ClassMomentsEstimator
from priordiff.estimators.encoded_text import EncodedTextEstimator, PhonemeEstimator
from priordiff.estimators.fourier_power import FourierPowerEstimator
from priordiff.estimators.inpainting import InpaintingEstimator
from priordiff.estimators.learned import LearnedDiagonalEstimator, prior_nll
from priordiff.estimators.learned_image import LearnedImageEstimator
from priordiff.estimators.learned_mel_spectrum import LearnedMelSpectrumEstimator
from priordiff.estimators.local_regression import LocalRegressionEstimator
from priordiff.estimators.low_rank import LowRankEstimator
from priordiff.estimators.mean import MeanEstimator
from priordiff.estimators.mel_energy import MelEnergyEstimator
from priordiff.estimators.mel_spectrum import MelSpectrumEstimator
from priordiff.estimators.moments import MomentsEstimator
from priordiff.estimators.offset_noise import OffsetNoiseEstimator
from priordiff.estimators.residual import ResidualEstimator
from priordiff.estimators.spec_grad import SpecGradEstimator
from priordiff.estimators.video_noise import VideoNoiseEstimator

__all__ = [
    "AxisCovarianceEstimator",
    "ClassMomentsEstimator",
    "EncodedTextEstimator",
    "FourierPowerEstimator",
    "InpaintingEstimator",
    "LearnedDiagonalEstimator",
    "LearnedImageEstimator",
    "LearnedMelSpectrumEstimator",
    "LocalRegressionEstimator",
    "LowRankEstimator",
    "MeanEstimator",
    "MelEnergyEstimator",
    "MelSpectrumEstimator",
    "MomentsEstimator",
    "OffsetNoiseEstimator",
    "PhonemeEstimator",
    "PriorEstimator",
    "ResidualEstimator",
    "SpecGradEstimator",
    "VideoNoiseEstimator",
    "prior_nll",
]
