"""The priors that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from latent_diffusion.tasks import Task
from priordiff import FourierPowerEstimator, LowRankEstimator, MomentsEstimator, PriorEstimator

__all__ = ["BASELINE", "PRIORS", "PriorChoice", "priors_of"]

BASELINE = "isotropic"
Shape = Sequence[int]


@dataclass(frozen=True)
class PriorChoice:
    """A covariance structure.

    Attributes:
        description: in words, for the report.
        make_residual: from the shape of a sample, the rank and the floor to the estimator of what the mean
            leaves; None where there is none.
        is_learned: whether a network is trained for its likelihood, before the denoiser.
    """

    description: str
    make_residual: Callable[[Shape, int, float], PriorEstimator] | None = None
    is_learned: bool = False


PRIORS: Mapping[str, PriorChoice] = MappingProxyType(
    {
        BASELINE: PriorChoice("N(0, I)"),
        "diagonal": PriorChoice(
            "a standard deviation for each element", lambda shape, rank, floor: MomentsEstimator(shape, floor)
        ),
        "low-rank": PriorChoice(
            "a few directions in which elements vary together",
            lambda shape, rank, floor: LowRankEstimator(shape, rank, floor),
        ),
        "fourier": PriorChoice(
            "a power for each spatial frequency",
            lambda shape, rank, floor: FourierPowerEstimator(shape, floor=floor),
        ),
        "learned": PriorChoice("mean and standard deviation by a network that learned them", is_learned=True),
    }
)


def priors_of(task: Task) -> list[str]:
    """The priors that there are for a task.

    A network can learn from all that a task is conditioned on; only a network can from a text.

    Args:
        task: one of `TASKS`.
    """
    if task.has_text:
        return [BASELINE, "learned"]
    has_conditioning = task.has_labels or task.has_image
    return [name for name, choice in PRIORS.items() if has_conditioning or not choice.is_learned]
