"""Conditioning to prior: the interface, and one class per estimator."""

from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.class_moments import ClassMomentsEstimator
from priordiff.estimators.fourier_power import FourierPowerEstimator
from priordiff.estimators.learned import LearnedDiagonalEstimator, prior_nll
from priordiff.estimators.mean import MeanEstimator
from priordiff.estimators.mel_energy import MelEnergyEstimator
from priordiff.estimators.mel_spectrum import MelSpectrumEstimator

__all__ = [
    "ClassMomentsEstimator",
    "FourierPowerEstimator",
    "LearnedDiagonalEstimator",
    "MeanEstimator",
    "MelEnergyEstimator",
    "MelSpectrumEstimator",
    "PriorEstimator",
    "prior_nll",
]
