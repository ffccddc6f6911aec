"""A prior of images from class, text or another image, by a network that is trained for its likelihood."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Tensor, nn

from priordiff.estimators.arguments import check_labels
from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.learned import check_floor, diagonal_of
from priordiff.models import ConvNeXtBlock
from priordiff.models.convnext import check_kernel_size
from priordiff.priors import DiagonalPrior

__all__ = ["LearnedImageEstimator"]


class LearnedImageEstimator(PriorEstimator):
    r"""Class, image and text to a `DiagonalPrior`, by ConvNeXt blocks: μ and σ of every element.

    The blocks work on a map that is learned for each position, to which a conditioning image is added; class
    and text scale and shift what they do. As in
    [`LearnedDiagonalEstimator`][priordiff.estimators.LearnedDiagonalEstimator], an untrained one is
    $N(0, I)$, and $\sigma$ stays above the floor. Train it with
    [`prior_nll`][priordiff.estimators.prior_nll] on images or latents, before the denoiser or with it: it
    then has the moments that the data have given the conditioning, where
    [`LocalRegressionEstimator`][priordiff.LocalRegressionEstimator] has the best linear mean and one σ for
    all. With few images it learns them by heart: watch the likelihood of held-out ones.

    Args:
        shape: of one item, (channels, height, width).
        in_channels: of a conditioning image of that height and width; 0 for none.
        num_classes: labels lie in 0…num_classes − 1; 0 for none.
        text_features: of a text's embedding; 0 for none.
        channels: width of the network.
        layers: number of its blocks.
        kernel_size: rows and columns that a block sees, odd.
        dropout: share of the channels of each block's hidden layer that is left out in training.
        floor: the standard deviation is larger than this, less than 1.

    Raises:
        ValueError: if a size is not positive, or the floor or the dropout is out of range.

    Example:
        >>> from priordiff.estimators import prior_nll
        >>> estimator = LearnedImageEstimator(shape=(4, 8, 8), in_channels=4, channels=16, layers=2)
        >>> low, latents = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
        >>> prior_nll(estimator(low), latents).backward()
    """

    @register_to_config
    def __init__(
        self,
        shape: Sequence[int],
        in_channels: int = 0,
        num_classes: int = 0,
        text_features: int = 0,
        channels: int = 64,
        layers: int = 4,
        kernel_size: int = 7,
        dropout: float = 0.1,
        floor: float = 0.1,
    ) -> None:
        super().__init__()
        if len(shape) != 3:
            raise ValueError(f"shape={list(shape)}, expected (channels, height, width)")
        sizes = {f"shape[{index}]": size for index, size in enumerate(shape)}
        for name, value in {"channels": channels, "layers": layers, **sizes}.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be positive")
        check_floor(floor)
        check_kernel_size(kernel_size)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout} must lie in [0, 1)")
        self.positions = nn.Parameter(0.02 * torch.randn(1, *shape[1:], channels))
        self.image = nn.Linear(in_channels, channels) if in_channels else None
        self.labels = nn.Embedding(num_classes, channels) if num_classes else None
        self.text = nn.Linear(text_features, channels) if text_features else None
        condition = channels if num_classes or text_features else None
        window = (kernel_size, kernel_size)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, window, 4, condition, dropout) for _ in range(layers)
        )
        # No norm before it: in what the blocks leave of the image, the mean finds a linear map of it.
        self.output = nn.Linear(channels, 2 * shape[0])
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, *conditioning: Tensor) -> DiagonalPrior:
        """What it is conditioned on to the prior of data (batch, channels, height, width).

        Args:
            conditioning: those of labels (batch,), image (batch, in_channels, height, width) and text
                (batch, text_features) that it was made for, in this order.

        Raises:
            ValueError: if it was made for others, one has another shape, or a label is none of its classes.
        """
        given = dict(zip(self._expected, conditioning, strict=False))
        self._check(given, len(conditioning))
        x: Tensor = self.positions
        condition = None
        if self.image is not None:
            x = x + self.image(rearrange(given["image"], "b c h w -> b h w c"))
        if self.labels is not None:
            condition = self.labels(given["labels"])
        if self.text is not None:
            text = self.text(given["text"])
            condition = text if condition is None else condition + text
        if condition is not None:
            x = x.expand(len(condition), -1, -1, -1)
        for block in self.blocks:
            x = block(x, condition)
        return diagonal_of(rearrange(self.output(x), "b h w c -> b c h w"), self.config.floor)

    @property
    def _expected(self) -> dict[str, tuple[int, ...]]:
        """The shape of each item of what it is conditioned on, by name."""
        config = self.config
        shapes: dict[str, tuple[int, ...]] = {}
        if self.labels is not None:
            shapes["labels"] = ()
        if self.image is not None:
            shapes["image"] = (config.in_channels, *config.shape[1:])
        if self.text is not None:
            shapes["text"] = (config.text_features,)
        return shapes

    def _check(self, given: dict[str, Tensor], count: int) -> None:
        expected = self._expected
        if count != len(expected):
            raise ValueError(f"{count} tensors are given, expected {', '.join(expected) or 'none'}")
        for name, shape in expected.items():
            if tuple(given[name].shape[1:]) != shape:
                wanted = ", ".join(["batch", *map(str, shape)])
                raise ValueError(f"{name} has shape {tuple(given[name].shape)}, expected ({wanted})")
        if "labels" in given:
            check_labels(given["labels"], self.config.num_classes, "make it with enough num_classes")
