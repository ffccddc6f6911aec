"""The interface of every estimator: conditioning in, prior out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.pipelines.pipeline_loading_utils import ALL_IMPORTABLE_CLASSES, LOADABLE_CLASSES

from priordiff.estimators.merging import merge_over_processes
from priordiff.priors import GaussianPrior

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["PriorEstimator"]

# diffusers saves a component's library under its top-level name only if it is listed here.
LOADABLE_CLASSES.setdefault("priordiff", {})


class PriorEstimator(ModelMixin, ConfigMixin):
    r"""Computes the prior $N(\mu(c), \Sigma(c))$ from the conditioning $c$.

    An estimator of your own is a subclass with a `forward`; nothing has to be registered. What it learns from
    data lives in buffers or parameters, so that `save_pretrained` and `from_pretrained` keep it (safetensors
    and JSON). To fit it with `fit`, give it `new_statistics`, `observe` and `conclude`. A pipeline is saved
    with it, and `DiffusionPipeline.from_pretrained` loads both once the module that defines it is imported.

    Example:
        >>> from priordiff import DiagonalPrior
        >>> class BrightnessEstimator(PriorEstimator):
        ...     def forward(self, image):
        ...         return DiagonalPrior(mean=image.mean((1, 2, 3), keepdim=True), std=1.0)
        >>> BrightnessEstimator()(torch.full((2, 3, 8, 8), 0.25)).mean.flatten()
        tensor([0.2500, 0.2500])
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # DiffusionPipeline.from_pretrained learns how to load a component from those base classes that it
        # finds, by name, in the component's own module. The class itself is there for certain.
        ALL_IMPORTABLE_CLASSES[cls.__name__] = ["save_pretrained", "from_pretrained"]

    def __init__(self) -> None:
        super().__init__()
        # diffusers asks a component for its device and loads it from a file of weights: an estimator without
        # any tensor would have neither.
        self.register_buffer("_device_anchor", torch.empty(0))

    @abstractmethod
    def forward(self, *conditioning: Any) -> GaussianPrior:
        """The prior of a batch of conditioning."""
        raise NotImplementedError(
            f"{type(self).__name__} has no forward: define forward(conditioning) -> GaussianPrior"
        )

    def fit(self, batches: Iterable[Any]) -> Self:
        """Fits the estimator in one streaming pass over `batches`, in memory of one batch and the statistic.

        Every process of a `torch.distributed` group passes its own share of the data and gets the statistics
        of all of it. The result does not depend on how the data are cut into batches, nor on their order, nor
        on the number of processes, up to rounding in float64.

        Args:
            batches: batches as `observe` takes them: tuples and lists, such as those of a `DataLoader`, are
                spread over its arguments.

        Returns:
            The estimator itself.

        Raises:
            ValueError: if there are no batches, or the data leave the estimator undetermined.
            TypeError: if the estimator has nothing to fit.
        """
        statistics = self.new_statistics()
        with torch.no_grad():
            for batch in batches:
                self.observe(statistics, *(batch if isinstance(batch, (tuple, list)) else (batch,)))
        self.conclude(merge_over_processes(statistics))
        return self

    def new_statistics(self) -> Any:
        """An empty statistic, with a method `merge`."""
        raise TypeError(f"{type(self).__name__} has nothing to fit: it needs no call of fit()")

    def observe(self, statistics: Any, *batch: Any) -> None:
        """Adds one batch to the statistic."""
        raise NotImplementedError(f"{type(self).__name__} defines new_statistics, so it must define observe")

    def conclude(self, statistics: Any) -> None:
        """Sets the estimator's buffers from the statistic of all data."""
        raise NotImplementedError(f"{type(self).__name__} defines new_statistics, so it must define conclude")
