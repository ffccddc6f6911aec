"""Networks that were trained with N(0, I), under any Gaussian prior."""

from priordiff.fine_tuning.adapter import PriorAdapterMixin
from priordiff.fine_tuning.process import TrainedProcess
from priordiff.fine_tuning.siblings import adapt_to_prior, prior_adapter_class, prior_adapter_named

__all__ = [
    "PriorAdapterMixin",
    "TrainedProcess",
    "adapt_to_prior",
    "prior_adapter_class",
    "prior_adapter_named",
]
