"""A mean that depends on the conditioning, and noise like what it leaves of the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from priordiff.estimators.base import PriorEstimator
from priordiff.priors import GaussianPrior

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ResidualEstimator"]


class ResidualEstimator(PriorEstimator):
    r"""The mean $\mu(c)$ of one estimator, with the prior that another one fits to what it leaves.

    $N(\mu(c) + \nu, \Sigma)$, where $N(\nu, \Sigma)$ is fitted to the residuals $x - \mu(c)$: the mean of a
    class with the few directions in which its members differ, or an upscaled image with the power spectrum
    of what it lacks.

    Args:
        mean: conditioning to a prior, of which the mean is used. Its class and configuration, as
            `{"_class_name": …, …}`, will do.
        residual: one prior for every item, such as those of `LowRankEstimator` and `FourierPowerEstimator`;
            likewise.

    Raises:
        ValueError: if no estimator of that class has been imported.

    Example:
        >>> import torch
        >>> from priordiff.estimators import ClassMomentsEstimator, FourierPowerEstimator
        >>> labels, images = torch.arange(16) % 2, torch.rand(16, 3, 8, 8)
        >>> shape = (3, 8, 8)
        >>> estimator = ResidualEstimator(ClassMomentsEstimator(2, shape), FourierPowerEstimator(shape))
        >>> estimator.fit([(labels, images)])(labels).sample((16, 3, 8, 8)).shape
        torch.Size([16, 3, 8, 8])
    """

    def __init__(
        self, mean: PriorEstimator | Mapping[str, Any], residual: PriorEstimator | Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.mean_estimator, self.residual_estimator = _built(mean), _built(residual)
        self.register_to_config(
            mean=_described(self.mean_estimator), residual=_described(self.residual_estimator)
        )

    def forward(self, *conditioning: Any) -> GaussianPrior:
        """What the estimator of the mean takes, to the prior."""
        return self.residual_estimator().shifted(self.mean_estimator(*conditioning).mean)

    def fit(self, batches: Iterable[Any]) -> Self:
        """Fits the mean, if it has anything to fit, then the prior of the residuals: a pass for each.

        Args:
            batches: (*conditioning, data) as the estimator of the mean takes them, to be gone through twice:
                a list or a `DataLoader`, not a generator.

        Returns:
            The estimator itself.

        Raises:
            ValueError: if they can be gone through only once, or one of the two can't be fitted.
        """
        if isinstance(batches, Iterator):
            raise ValueError(
                f"batches is a {type(batches).__name__}, which can be gone through once: give a list or a "
                "DataLoader"
            )
        if type(self.mean_estimator).new_statistics is not PriorEstimator.new_statistics:
            self.mean_estimator.fit(batches)
        self.residual_estimator.fit(self._residuals(batches))
        return self

    def _residuals(self, batches: Iterable[Any]) -> Iterator[Tensor]:
        for *conditioning, data in batches:
            yield data - self.mean_estimator(*conditioning).mean


def _described(estimator: PriorEstimator) -> dict[str, Any]:
    config = getattr(estimator, "config", {})  # an estimator without arguments has none
    public = {name: value for name, value in config.items() if not name.startswith("_")}
    return {"_class_name": type(estimator).__name__, **public}


def _built(estimator: PriorEstimator | Mapping[str, Any]) -> PriorEstimator:
    if isinstance(estimator, PriorEstimator):
        return estimator
    arguments = dict(estimator)
    name = arguments.pop("_class_name", None)
    found = next((known for known in _all_estimators() if known.__name__ == name), None)
    if found is None:
        raise ValueError(f"no estimator called {name!r} is known: import the module that defines it first")
    return found(**arguments)


def _all_estimators() -> Iterator[type[PriorEstimator]]:
    """Those that have been imported, whoever has defined them."""
    waiting = PriorEstimator.__subclasses__()
    while waiting:
        known = waiting.pop(0)
        yield known
        waiting += known.__subclasses__()
