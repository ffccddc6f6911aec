"""What a masked image hides, given what it shows: the exact conditional of a Gaussian."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Tensor

from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.low_rank import LowRankEstimator
from priordiff.estimators.statistics import Covariance, Moments
from priordiff.priors import LowRankPrior
from priordiff.value_checks import values_are_checked

__all__ = ["InpaintingEstimator"]


class InpaintingEstimator(PriorEstimator):
    r"""An image with a hole and its mask to a `LowRankPrior`: the data's Gaussian, given what is seen.

    The data are described by one $N(\mu, \operatorname{diag}(d) + UU^\top)$, which
    [`LowRankEstimator`][priordiff.LowRankEstimator] fits: $x = \mu + Uf + \sqrt d\,w$ with white factors
    $f$ and white $w$. Where the mask is 0, $y = x + e\,v$ is seen, with an error of standard deviation $e$.
    With $k = d / (d + e^2)$ where something is seen and $k = 0$ where it is hidden, the factors are
    Gaussian given $y$, with the covariance and the mean

    $$S = \left(I + U^\top \operatorname{diag}(k/d)\,U\right)^{-1}, \qquad
    m = S\,U^\top \tfrac kd\,(y - \mu),$$

    and so is $x$, with

    $$\mathrm E[x \mid y] = \mu + Um + k\,(y - \mu - Um), \qquad
    \operatorname{Cov}[x \mid y] = \operatorname{diag}\left((1 - k)\,d\right) + VV^\top, \qquad
    V = (1 - k)\,U S^{1/2} .$$

    So hidden elements have the mean $\mu_h + U_h m$ and the covariance $D_h + U_h S U_h^\top$; seen ones, as
    $e \to 0$, the mean $y$ and the standard deviation $e$. An item costs $O(Dr^2)$ for D elements and r
    factors. [The derivation](https://priordiff.github.io/priordiff/mathematics/#what-a-mask-hides) is on the
    page of mathematics.

    Why an error: an encoder makes of an image with a hole not quite what it makes of the whole one, not even
    far from the hole. $e$ is measured, one for each channel.

    Args:
        shape: of one item, (channels, height, width).
        rank: number of factors, fewer than elements.
        floor: smallest standard deviation of an element beside the factors, and of the error.

    Raises:
        ValueError: if a size or the floor is not positive, or there are as many factors as elements.

    Example:
        >>> data = torch.randn(32, 4, 8, 8) + torch.randn(32, 1, 1, 1)  # brighter or darker as a whole
        >>> hidden = torch.zeros(32, 1, 8, 8)
        >>> hidden[..., 4:] = 1
        >>> given = torch.cat([data * (1 - hidden), hidden], dim=1)
        >>> prior = InpaintingEstimator(shape=(4, 8, 8), rank=1).fit([(given, data)])(given)
        >>> bool(((prior.mean - data).square().mean() < data.square().mean()))
        True
    """

    error: Tensor

    @register_to_config
    def __init__(self, shape: Sequence[int], rank: int = 16, floor: float = 0.1) -> None:
        super().__init__()
        if len(shape) != 3:
            raise ValueError(f"shape={list(shape)}, expected (channels, height, width)")
        self.whole = LowRankEstimator(shape, rank, floor)
        self.register_buffer("error", torch.full((1, shape[0], 1, 1), float("nan")))

    def forward(self, image: Tensor) -> LowRankPrior:
        """The prior of data (batch, channels, height, width).

        Args:
            image: what is seen, with anything where nothing is, and the mask in one more channel, 1 where
                the data are hidden and 0 where they are seen: (batch, channels + 1, height, width).

        Raises:
            ValueError: if it has not been fitted, or the image has another shape, or the mask other values.
        """
        if values_are_checked() and self.error.isnan().any():
            raise ValueError(
                "this InpaintingEstimator has not been fitted: call fit(batches of (image, data)) or load one"
            )
        # There is no factorisation in half precision.
        dtype = torch.promote_types(self.error.dtype, torch.float32)
        fitted = (self.whole.mean, self.whole.diagonal, self.whole.factor, self.error)
        mean, diagonal, factor, error = (each.to(dtype) for each in fitted)
        seen, hidden = self._parts(image.to(dtype))
        both = diagonal + error.square()
        trust = torch.where(hidden, 0.0, diagonal / both)
        # 1 - trust, of which that would leave no digits where the error is small.
        kept = torch.where(hidden, 1.0, error.square() / both)
        columns = rearrange(factor, "1 c h w r -> (c h w) r")
        weights = (trust / diagonal).flatten(1)
        precision = torch.einsum("dr, bd, ds -> brs", columns, weights, columns)
        identity = torch.eye(len(precision[0]), device=precision.device, dtype=precision.dtype)
        root, _ = torch.linalg.cholesky_ex(precision + identity, check_errors=values_are_checked())
        # What is hidden may hold anything, even NaN.
        centered = torch.where(hidden, 0.0, seen - mean)
        projected = (weights * centered.flatten(1)) @ columns
        factors = torch.cholesky_solve(projected[:, :, None], root)
        explained = (columns @ factors).reshape(centered.shape)
        # S^{1/2}, of which any root will do: that of the precision's, inverted.
        spread = torch.linalg.solve_triangular(
            root.mT, columns.expand(len(root), -1, -1), upper=True, left=False
        )
        return LowRankPrior(
            mean + explained + trust * (centered - explained),
            kept * diagonal,
            kept[..., None] * spread.reshape(*centered.shape, -1),
        )

    def new_statistics(self) -> _Statistics:
        return _Statistics()

    def observe(self, statistics: _Statistics, image: Tensor, data: Tensor) -> None:
        """Adds data (batch, channels, height, width) with what is seen of them, as `forward` takes it."""
        seen, hidden = self._parts(image)
        self.whole.observe(statistics.whole, data)
        shown = rearrange(~hidden, "b 1 h w -> (b h w)")
        differences = rearrange(seen - data, "b c h w -> (b h w) c")[shown]
        if len(differences):
            statistics.squares.update(differences.square())

    def conclude(self, statistics: _Statistics) -> None:
        self.whole.conclude(statistics.whole)
        if not statistics.squares.count.any():
            raise ValueError(
                "nothing is seen of any item: the mask is 1 everywhere, expected 0 where data are seen"
            )
        error = statistics.squares.mean.sqrt().clamp(min=self.config.floor)
        self.error.copy_(error.reshape(self.error.shape))

    def _parts(self, image: Tensor) -> tuple[Tensor, Tensor]:
        channels, height, width = self.config.shape
        if image.dim() != 4 or tuple(image.shape[1:]) != (channels + 1, height, width):
            raise ValueError(
                f"image has shape {tuple(image.shape)}, expected (batch, {channels + 1}, {height}, {width}): "
                "what is seen, and a mask"
            )
        seen, mask = image[:, :channels], image[:, channels:]
        if values_are_checked() and not ((mask == 0) | (mask == 1)).all():
            raise ValueError(
                f"the last channel, a mask, has values from {float(mask.min()):g} to {float(mask.max()):g}, "
                "expected 1 where data are hidden and 0 where they are seen"
            )
        return seen, mask != 0


@dataclass
class _Statistics:
    """Of the whole data, and the squared differences of what is seen from them."""

    whole: Covariance = field(default_factory=Covariance)
    squares: Moments = field(default_factory=Moments)

    def merge(self, other: _Statistics) -> None:
        self.whole.merge(other.whole)
        self.squares.merge(other.squares)
