"""Where priors meet diffusers: schedulers whose noise is any Gaussian."""

from priordiff.schedulers.affine import PriorSchedulerMixin
from priordiff.schedulers.fractional_ddpm import FractionalDDPMScheduler, FractionalDDPMSchedulerOutput
from priordiff.schedulers.priorgrad import PriorGradScheduler

__all__ = [
    "FractionalDDPMScheduler",
    "FractionalDDPMSchedulerOutput",
    "PriorGradScheduler",
    "PriorSchedulerMixin",
]
