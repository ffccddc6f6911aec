"""Mean and standard deviation of each class: of images by label, of mel frames by phoneme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from priordiff.estimators.arguments import check_labels, check_positive
from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.statistics import Moments
from priordiff.priors import DiagonalPrior
from priordiff.value_checks import values_are_checked

__all__ = ["ClassMomentsEstimator"]


class ClassMomentsEstimator(PriorEstimator):
    r"""Labels to a `DiagonalPrior` with the mean and standard deviation that their class has in the data.

    $\mu(c) = \mathrm{E}[x\,|\,c]$ and $\sigma(c)^2 = \max(\operatorname{Var}[x\,|\,c],\ \text{floor}^2)$ for
    each element, fitted in one streaming pass: the acoustic prior of PriorGrad (Lee et al., ICLR 2022,
    section 5), where $c$ is the phoneme of a mel frame. A class without data has the moments of all data.

    A class with few examples is described badly by its own moments. With `shrinkage` $s$ each class is
    fitted as if it had $s$ more rows with the mean $\bar\mu$ and the variance $\bar\sigma^2$ of all data: of
    $n$ rows with mean $m$ and variance $v$,

    $$\mu = \frac{n m + s \bar\mu}{n + s}, \qquad
    \sigma^2 = \frac{n v + s \bar\sigma^2}{n + s} + \frac{n s\,(m - \bar\mu)^2}{(n + s)^2},$$

    the parameters $\mu_n$ and $\sigma_n^2$ of the posterior under a normal-inverse-$\chi^2$ prior around the
    moments of all data, of strength $\kappa_0 = \nu_0 = s$ (Gelman et al., *Bayesian Data Analysis*, 3rd ed.,
    section 3.3).

    A label belongs to an item, labels (batch,) for data (batch, *shape), or to a position in it: labels
    (batch, frames) for data (batch, n_mels, frames) with `shape=(n_mels,)`.

    Args:
        num_classes: labels lie in 0…num_classes − 1.
        shape: shape of what one label describes. Over a dimension of size 1 the moments are pooled: (3, 1, 1)
            gives each class one mean and one standard deviation per colour.
        floor: smallest standard deviation.
        shrinkage: how many rows the moments of all data count for in each class; some 10 for classes of few
            examples, best chosen by the likelihood of held-out data (`prior_nll`).

    Raises:
        ValueError: if `num_classes`, `shape` or `floor` is not positive, or `shrinkage` is negative.

    Example:
        >>> estimator = ClassMomentsEstimator(num_classes=10, shape=(80,))
        >>> phonemes, log_mel = torch.randint(10, (4, 30)), torch.randn(4, 80, 30)
        >>> estimator.fit([(phonemes, log_mel)])(phonemes).std.shape
        torch.Size([4, 80, 30])
    """

    mean: Tensor
    std: Tensor

    @register_to_config
    def __init__(
        self, num_classes: int, shape: Sequence[int], floor: float = 0.1, shrinkage: float = 0.0
    ) -> None:
        super().__init__()
        check_positive(shape, num_classes=num_classes, floor=floor)
        if not 0 <= shrinkage < math.inf:
            raise ValueError(f"shrinkage={shrinkage}, expected a number of at least 0")
        self.register_buffer("mean", torch.full((num_classes, *shape), float("nan")))
        self.register_buffer("std", torch.full((num_classes, *shape), float("nan")))

    def forward(self, labels: Tensor, mask: Tensor | None = None) -> DiagonalPrior:
        """Labels (batch, *positions) to the prior of data (batch, *shape, *positions).

        Args:
            labels: integers.
            mask: True (or non-zero) where there is data, of the labels' shape; the prior of padding is
                N(0, 1).

        Raises:
            ValueError: if it has not been fitted, or a label is none of its classes.
        """
        self._check_fitted()
        kept = self._kept(labels, mask)
        labels = self._checked(labels.masked_fill(~kept, 0))
        positions = labels.dim() - 1
        mean, std = (
            moment[labels].movedim(tuple(range(1, 1 + positions)), tuple(range(-positions, 0)))
            for moment in (self.mean, self.std)
        )
        dropped = ~kept.reshape(len(labels), *[1] * (self.mean.dim() - 1), *labels.shape[1:])
        return DiagonalPrior(mean.masked_fill(dropped, 0), std.masked_fill(dropped, 1))

    def log_likelihood(self, data: Tensor) -> Tensor:
        r"""$\log N(x; \mu(c), \sigma(c)^2)$ of data under every class $c$, by two matrix products.

        Args:
            data: (batch, *shape, *positions).

        Returns:
            (batch, num_classes, *positions).

        Raises:
            ValueError: if it has not been fitted, or the data do not have its shape.

        Example:
            >>> estimator = ClassMomentsEstimator(num_classes=2, shape=(1,))
            >>> data = torch.tensor([[[0.0, 2.0, 7.0, 9.0]]])
            >>> _ = estimator.fit([(torch.tensor([[0, 0, 1, 1]]), data)])
            >>> estimator.log_likelihood(data).argmax(dim=1).tolist()
            [[0, 0, 1, 1]]
        """
        self._check_fitted()
        dims = len(self.config.shape)
        shape, positions = data.shape[1 : 1 + dims], data.shape[1 + dims :]
        if data.dim() < 1 + dims or any(
            own not in (1, given) for own, given in zip(self.config.shape, shape, strict=True)
        ):
            raise ValueError(
                f"data have shape {tuple(data.shape)}, expected (batch, *{tuple(self.config.shape)}, "
                "*positions), any size for 1"
            )
        mean, std = (moment.expand(-1, *shape).flatten(1) for moment in (self.mean, self.std))
        x = data.reshape(len(data), mean.shape[1], -1)
        # About the middle of the classes: far from 0 the difference of squares would lose its digits.
        middle = mean.mean(dim=0)
        x, mean, precision = x - middle[:, None], mean - middle, std**-2
        constant = (mean.square() * precision + 2 * std.log() + math.log(2 * math.pi)).sum(dim=1)
        squares = precision @ x.square() - 2 * (mean * precision) @ x
        return (-0.5 * (squares + constant[:, None])).reshape(len(data), -1, *positions)

    def new_statistics(self) -> Moments:
        return Moments(self.config.num_classes)

    def observe(self, statistics: Moments, labels: Tensor, data: Tensor, mask: Tensor | None = None) -> None:
        """Adds data (batch, *shape, *positions) with labels (batch, *positions), where the mask is True."""
        shape = tuple(self.config.shape)
        own = [given if size == 1 else size for size, given in zip(shape, data.shape[1:], strict=False)]
        if len(own) < len(shape) or data.shape != (*labels.shape[:1], *own, *labels.shape[1:]):
            raise ValueError(
                f"data have shape {tuple(data.shape)} and labels {tuple(labels.shape)}, expected (batch, "
                f"*{shape}, *positions), any size for 1, and (batch, *positions)"
            )
        positions = tuple(range(1 + len(shape), data.dim()))
        pooled = tuple(dim for dim, size in enumerate(shape, start=1) if size == 1)
        rows = data.movedim((*positions, *pooled), tuple(range(1, 1 + len(positions) + len(pooled))))
        rows_per_label = math.prod(data.shape[dim] for dim in pooled)
        rows = rows.reshape(labels.numel(), rows_per_label, *(size for size in shape if size != 1))
        kept = self._kept(labels, mask).flatten()
        rows, labels = rows[kept], self._checked(labels.flatten()[kept])
        statistics.update(rows.flatten(0, 1), labels.repeat_interleave(rows_per_label))

    def conclude(self, statistics: Moments) -> None:
        pooled = statistics.pooled()
        # As rows, of which a class without data needs one.
        weight = torch.where(statistics.count > 0, self.config.shrinkage, 1.0)
        shrunk = replace(statistics)
        shrunk.merge(Moments(self.config.num_classes, weight, pooled.mean, weight * pooled.variance()))
        std = shrunk.variance().sqrt().clamp(min=self.config.floor)
        self.mean.copy_(shrunk.mean.reshape(self.mean.shape))
        self.std.copy_(std.reshape(self.std.shape))

    def _check_fitted(self) -> None:
        if values_are_checked() and self.std.isnan().any():
            raise ValueError(
                "this ClassMomentsEstimator has not been fitted: call fit(batches of (labels, data)) or load "
                "one"
            )

    def _kept(self, labels: Tensor, mask: Tensor | None) -> Tensor:
        if mask is None:
            return torch.ones_like(labels, dtype=torch.bool)
        if mask.shape != labels.shape:
            raise ValueError(
                f"mask has shape {tuple(mask.shape)} and labels {tuple(labels.shape)}, expected the same"
            )
        return mask != 0

    def _checked(self, labels: Tensor) -> Tensor:
        check_labels(labels, self.config.num_classes, "give enough num_classes, or a mask for padding")
        return labels.long()
