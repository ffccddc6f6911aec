"""Statistics of a stream of batches that can be merged in any order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["LinearRegression", "Minimum", "Statistic"]


class Statistic(Protocol):
    """What `PriorEstimator.fit` needs of a statistic so that several processes can share the work."""

    def merge(self, other: object) -> None:
        """Adds what `other`, a statistic of the same kind, has seen."""


@dataclass
class Minimum:
    """The smallest value seen.

    Example:
        >>> minimum = Minimum()
        >>> minimum.update(torch.tensor([3.0, 2.0]))
        >>> minimum.value
        2.0
    """

    value: float = float("inf")

    def update(self, values: Tensor) -> None:
        _check_numbers(values)
        if values.numel():
            self.value = min(self.value, float(values.min()))

    def merge(self, other: Minimum) -> None:
        self.value = min(self.value, other.value)


@dataclass
class LinearRegression:
    r"""Least squares of targets $Y$ on features $X$, from the sums $X^\top X$ and $X^\top Y$ in float64.

    Example:
        >>> regression = LinearRegression()
        >>> regression.update(torch.tensor([[1.0, 1.0], [2.0, 1.0]]), torch.tensor([[3.0], [5.0]]))
        >>> [round(float(weight), 4) for weight in regression.solve(ridge=1e-9).flatten()]
        [2.0, 1.0]
    """

    count: int = 0
    feature_products: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    target_products: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))

    def update(self, features: Tensor, targets: Tensor) -> None:
        """Adds the rows of features (n, p) and targets (n, q)."""
        _check_numbers(features, targets)
        features, targets = features.detach().cpu().double(), targets.detach().cpu().double()
        self.count += len(features)
        self.feature_products = self.feature_products + features.T @ features
        self.target_products = self.target_products + features.T @ targets

    def merge(self, other: LinearRegression) -> None:
        self.count += other.count
        self.feature_products = self.feature_products + other.feature_products
        self.target_products = self.target_products + other.target_products

    def solve(self, ridge: float) -> Tensor:
        r"""The weights $(X^\top X / n + \lambda I)^{-1} X^\top Y / n$ of shape (p, q)."""
        if not self.count:
            raise ValueError("there is no data to fit: the stream of batches was empty")
        gram = self.feature_products / self.count
        return torch.linalg.solve(
            gram + ridge * torch.eye(len(gram), dtype=gram.dtype), self.target_products / self.count
        )


def _check_numbers(*tensors: Tensor) -> None:
    """Raises a ValueError at the first batch that would spoil the statistic for good."""
    for tensor in tensors:
        if not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise ValueError(
                f"a batch of shape {tuple(tensor.shape)} to fit on holds {bad} NaN or infinite values: leave "
                "such recordings out"
            )
