"""Statistics of a stream of batches that can be merged in any order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Covariance", "LinearRegression", "Minimum", "Moments", "Statistic", "check_numbers"]


class Statistic(Protocol):
    """What `PriorEstimator.fit` needs of a statistic so that several processes can share the work."""

    def merge(self, other: object) -> None:
        """Adds what `other`, a statistic of the same kind, has seen."""


def _zero() -> Tensor:
    """A sum before the first batch says of what shape it is."""
    return torch.zeros((), dtype=torch.float64)


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
        check_numbers(values)
        if values.numel():
            self.value = min(self.value, float(values.min()))

    def merge(self, other: Minimum) -> None:
        self.value = min(self.value, other.value)


@dataclass
class Moments:
    r"""Count, mean and variance of every element, in each of several groups of rows.

    Two parts with counts $n_a, n_b$, means $m_a, m_b$ and sums of squared deviations $S_a, S_b$ are merged by
    $m = m_a + \delta\,n_b/n$ and $S = S_a + S_b + \delta^2 n_a n_b / n$ with $\delta = m_b - m_a$ and $n =
    n_a + n_b$ (Chan, Golub and LeVeque, *Updating formulae and a pairwise algorithm for computing sample
    variances*, 1979), in float64: a mean far from 0 costs the variance no digits.

    Args:
        num_groups: number of groups K.

    Attributes:
        count: rows of each group (K, 1, …), with as many dimensions as the mean.
        mean: mean of each group's rows (K, …).
        deviations: sum of squared deviations from it (K, …).

    Example:
        >>> moments = Moments(num_groups=2)
        >>> moments.update(torch.tensor([[1.0], [3.0], [7.0]]), groups=torch.tensor([0, 0, 1]))
        >>> moments.mean.flatten().tolist(), moments.variance().flatten().tolist()
        ([2.0, 7.0], [1.0, 0.0])
    """

    num_groups: int = 1
    count: Tensor = field(default_factory=_zero)
    mean: Tensor = field(default_factory=_zero)
    deviations: Tensor = field(default_factory=_zero)

    def update(self, rows: Tensor, groups: Tensor | None = None) -> None:
        """Adds rows (n, …), each to its group: integers (n,), all in group 0 if there are none."""
        check_numbers(rows)
        rows = rows.detach().cpu().double()
        if groups is None:
            groups = torch.zeros(len(rows), dtype=torch.long)
        groups = groups.detach().cpu().long()
        if groups.shape != rows.shape[:1]:
            raise ValueError(f"groups has shape {tuple(groups.shape)}, expected ({len(rows)},), one per row")
        if len(groups) and not 0 <= int(groups.min()) <= int(groups.max()) < self.num_groups:
            outside = groups[(groups < 0) | (groups >= self.num_groups)]
            raise ValueError(f"group {int(outside[0])} does not lie in 0…{self.num_groups - 1}")

        def sum_per_group(values: Tensor) -> Tensor:
            return values.new_zeros(self.num_groups, *values.shape[1:]).index_add_(0, groups, values)

        # All that follows has the dimensions of the rows, so that the count of a group broadcasts.
        count = sum_per_group(torch.ones(len(rows), *[1] * (rows.dim() - 1), dtype=torch.float64))
        mean = sum_per_group(rows) / count.clamp(min=1)
        deviations = sum_per_group((rows - mean[groups]).square())
        self.merge(Moments(self.num_groups, count, mean, deviations))

    def merge(self, other: Moments) -> None:
        count = self.count + other.count
        share = other.count / count.clamp(min=1)
        difference = other.mean - self.mean
        self.deviations = self.deviations + other.deviations + difference.square() * self.count * share
        self.mean = self.mean + difference * share
        self.count = count

    def variance(self) -> Tensor:
        """The mean squared deviation of each element in each group (K, …), 0 where a group has no rows.

        Raises:
            ValueError: if no group has any.
        """
        self._check_rows()
        return self.deviations / self.count.clamp(min=1)

    def pooled(self) -> Moments:
        """The moments of all rows as one group.

        Raises:
            ValueError: if there are none.
        """
        self._check_rows()
        total = Moments()
        of_all = (self.count, self.mean, self.deviations)
        for parts in zip(*(tensor.split(1) for tensor in of_all), strict=True):
            total.merge(Moments(1, *parts))
        return total

    def _check_rows(self) -> None:
        if not self.count.any():
            raise ValueError("there is no data to fit: the stream of batches was empty")


@dataclass
class Covariance:
    r"""Mean and covariance matrix of vectors, merged as in `Moments` with $\delta\delta^\top$ for $\delta^2$.

    Attributes:
        count: number of vectors.
        mean: their mean (d,).
        products: sum of the outer products of their deviations from it (d, d).

    Example:
        >>> covariance = Covariance()
        >>> covariance.update(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
        >>> covariance.matrix().tolist()
        [[1.0, 2.0], [2.0, 4.0]]
    """

    count: int = 0
    mean: Tensor = field(default_factory=_zero)
    products: Tensor = field(default_factory=_zero)

    def update(self, rows: Tensor) -> None:
        """Adds vectors (n, d)."""
        check_numbers(rows)
        if len(rows):
            rows = rows.detach().cpu().double()
            mean = rows.mean(0)
            self.merge(Covariance(len(rows), mean, (rows - mean).T @ (rows - mean)))

    def merge(self, other: Covariance) -> None:
        count = self.count + other.count
        share = other.count / max(count, 1)
        difference = other.mean - self.mean
        outer = difference[..., None] * difference
        self.products = self.products + other.products + outer * (self.count * share)
        self.mean = self.mean + difference * share
        self.count = count

    def matrix(self) -> Tensor:
        """The mean outer product of the deviations (d, d).

        Raises:
            ValueError: if there were no vectors.
        """
        if not self.count:
            raise ValueError("there is no data to fit: the stream of batches was empty")
        return self.products / self.count


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
    feature_products: Tensor = field(default_factory=_zero)
    target_products: Tensor = field(default_factory=_zero)

    def update(self, features: Tensor, targets: Tensor) -> None:
        """Adds the rows of features (n, p) and targets (n, q)."""
        check_numbers(features, targets)
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


def check_numbers(*tensors: Tensor) -> None:
    """Raises a ValueError at the first batch that would spoil the statistic for good."""
    for tensor in tensors:
        if not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise ValueError(
                f"a batch of shape {tuple(tensor.shape)} to fit on holds {bad} NaN or infinite values: leave "
                "such items out"
            )
