"""Where priors meet diffusers: schedulers whose noise is any Gaussian."""

from priordiff.schedulers.affine import PriorSchedulerMixin
from priordiff.schedulers.fractional_ddpm import FractionalDDPMScheduler
from priordiff.schedulers.loss_weights import min_snr_weight, p2_weight, snr
from priordiff.schedulers.predicted_sample import predicted_original_sample
from priordiff.schedulers.predictions import prediction_weights, signal_and_noise_scale
from priordiff.schedulers.priorgrad import PriorGradScheduler
from priordiff.schedulers.siblings import (
    prior_scheduler_class,
    prior_scheduler_named,
    refusal,
    scheduler_classes,
    with_prior,
)

__all__ = [
    "FractionalDDPMScheduler",
    "PriorGradScheduler",
    "PriorSchedulerMixin",
    "min_snr_weight",
    "p2_weight",
    "predicted_original_sample",
    "prediction_weights",
    "prior_scheduler_class",
    "prior_scheduler_named",
    "refusal",
    "scheduler_classes",
    "signal_and_noise_scale",
    "snr",
    "with_prior",
]
