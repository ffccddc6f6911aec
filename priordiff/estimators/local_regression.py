"""An image to the image that goes with it, by the best filter."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Tensor

from priordiff.estimators.arguments import check_positive
from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.statistics import LinearRegression
from priordiff.priors import DiagonalPrior
from priordiff.value_checks import values_are_checked

__all__ = ["LocalRegressionEstimator"]


class LocalRegressionEstimator(PriorEstimator):
    r"""A conditioning image to a `DiagonalPrior` whose mean is the best linear filter of it.

    $\mu(c) = W * c + b$ with the $k \times k$ filters $W$ and the constants $b$ that have the least squared
    error $\mathrm{E}\,\lVert x - \mu(c)\rVert^2$, and $\sigma$, the root of that error in each channel;
    fitted in one streaming pass. For latents of an enlarged image it takes a Wiener filter's place: what the
    encoder makes of a sharp image follows from what it makes of a blurred one, up to details that $\sigma$
    stands for.

    Args:
        in_channels: of the conditioning.
        out_channels: of the data, which have its height and width.
        kernel_size: $k$, odd.
        ridge: of the regression, relative to the conditioning's mean square.
        floor: smallest standard deviation.

    Raises:
        ValueError: if a size, the ridge or the floor is not positive, or `kernel_size` is even.

    Example:
        >>> blurred, sharp = torch.randn(8, 4, 8, 8), torch.randn(8, 4, 8, 8)
        >>> estimator = LocalRegressionEstimator(4, 4).fit([(blurred, sharp)])
        >>> estimator(blurred).mean.shape
        torch.Size([8, 4, 8, 8])
    """

    weight: Tensor
    bias: Tensor
    std: Tensor

    @register_to_config
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        ridge: float = 1e-4,
        floor: float = 0.01,
    ) -> None:
        super().__init__()
        check_positive(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            ridge=ridge,
            floor=floor,
        )
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} must be odd: a filter has a middle")
        nothing = float("nan")
        self.register_buffer(
            "weight", torch.full((out_channels, in_channels, kernel_size, kernel_size), nothing)
        )
        self.register_buffer("bias", torch.full((out_channels,), nothing))
        self.register_buffer("std", torch.full((1, out_channels, 1, 1), nothing))

    def forward(self, conditioning: Tensor) -> DiagonalPrior:
        """Images (batch, in_channels, height, width) to the prior of data (batch, out_channels, …)."""
        if values_are_checked() and self.std.isnan().any():
            raise ValueError(
                "this LocalRegressionEstimator has not been fitted: call fit(batches of (conditioning, "
                "data)) or load one"
            )
        return DiagonalPrior(F.conv2d(self._padded(conditioning), self.weight, self.bias), self.std)

    def new_statistics(self) -> LinearRegression:
        return LinearRegression()

    def observe(self, statistics: LinearRegression, conditioning: Tensor, data: Tensor) -> None:
        """Adds data (batch, out_channels, height, width) with their conditioning."""
        expected = (len(conditioning), self.config.out_channels, *conditioning.shape[2:])
        if data.shape != expected:
            raise ValueError(
                f"data have shape {tuple(data.shape)}, expected {tuple(expected)} with a conditioning of "
                f"shape {tuple(conditioning.shape)}"
            )
        # On the CPU, as MPS has no float64.
        conditioning, data = conditioning.cpu().double(), data.cpu().double()
        patches = F.unfold(self._padded(conditioning), self.config.kernel_size)
        features = rearrange(F.pad(patches, (0, 0, 0, 1), value=1.0), "b f p -> (b p) f")
        targets = rearrange(data, "b c h w -> (b h w) c")
        # The targets stand among the features, so that their squares are summed up as well.
        statistics.update(torch.cat([features, targets], dim=1), targets)

    def conclude(self, statistics: LinearRegression) -> None:
        if not statistics.count:
            raise ValueError("there is no data to fit: the stream of batches was empty")
        size = self.weight[0].numel() + 1
        gram = statistics.feature_products[:size, :size] / statistics.count
        cross = statistics.target_products[:size] / statistics.count
        squares = (statistics.target_products[size:] / statistics.count).diagonal()
        mean_square = gram.diagonal()[:-1].mean()
        # A conditioning that is 0 everywhere has the filters 0, whatever the ridge is.
        ridge = torch.full_like(cross[:, 0], self.config.ridge * float(mean_square if mean_square > 0 else 1))
        ridge[-1] = 0
        weights = torch.linalg.solve(gram + ridge.diag(), cross)
        error = squares - 2 * (weights * cross).sum(0) + (weights * (gram @ weights)).sum(0)
        self.weight.copy_(weights[:-1].T.reshape(self.weight.shape))
        self.bias.copy_(weights[-1])
        self.std.copy_(error.clamp(min=self.config.floor**2).sqrt().reshape(self.std.shape))

    def _padded(self, conditioning: Tensor) -> Tensor:
        if conditioning.dim() != 4 or conditioning.shape[1] != self.config.in_channels:
            raise ValueError(
                f"conditioning has shape {tuple(conditioning.shape)}, expected (batch, "
                f"{self.config.in_channels}, height, width)"
            )
        margin = self.config.kernel_size // 2
        return F.pad(conditioning, (margin,) * 4, mode="replicate")
