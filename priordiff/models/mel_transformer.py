"""The decoder of FastSpeech 2: mel frames at once, without diffusion."""

from __future__ import annotations

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Tensor, nn

from priordiff.models.transformer import FeedForwardTransformer

__all__ = ["MelTransformer"]


class MelTransformer(ModelMixin, ConfigMixin):
    """A transformer from condition vectors to mel frames (Ren et al., FastSpeech 2, ICLR 2021).

    It is what a denoiser of mel frames is measured against: the same encoder before it, an L1 loss, one
    evaluation.

    Args:
        n_mels: number of mel bands.
        condition_channels: width of the condition, such as that of `TextEncoder`, and of the transformer.
        layers: of the transformer.
        heads: of its attention.
        filter_channels: width between its convolutions.
        kernel_size: of them.
        dropout: of it.

    Raises:
        ValueError: if the sizes do not fit.

    Example:
        >>> decoder = MelTransformer(condition_channels=16, layers=1, filter_channels=32)
        >>> decoder(torch.randn(2, 16, 30)).shape
        torch.Size([2, 80, 30])
    """

    __module__ = "priordiff"  # where DiffusionPipeline.from_pretrained looks for the class

    @register_to_config
    def __init__(
        self,
        n_mels: int = 80,
        condition_channels: int = 256,
        layers: int = 4,
        heads: int = 2,
        filter_channels: int = 1024,
        kernel_size: int = 9,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.transformer = FeedForwardTransformer(
            condition_channels, layers, heads, filter_channels, kernel_size, dropout
        )
        self.output = nn.Linear(condition_channels, n_mels)

    def forward(self, condition: Tensor, mask: Tensor | None = None, start: Tensor | None = None) -> Tensor:
        """Decodes frames.

        Args:
            condition: (batch, condition_channels, frames).
            mask: True where a frame is no padding (batch, frames); None where none is.
            start: frame at which each item begins, int64 (batch,), if it is a window of a longer utterance;
                None for 0.

        Returns:
            Mel frames (batch, n_mels, frames), zero in the padding.

        Raises:
            ValueError: if the shapes do not fit each other or the configuration.
        """
        channels = self.config.condition_channels
        if condition.dim() != 3 or condition.shape[1] != channels:
            raise ValueError(
                f"condition has shape {tuple(condition.shape)}, expected (batch, {channels}, frames)"
            )
        batch, _, frames = condition.shape
        if mask is None:
            mask = torch.ones(batch, frames, dtype=torch.bool, device=condition.device)
        if mask.shape != (batch, frames):
            raise ValueError(f"mask has shape {tuple(mask.shape)}, expected {(batch, frames)}")
        if start is not None and start.shape != (batch,):
            raise ValueError(f"start has shape {tuple(start.shape)}, expected {(batch,)}")
        x = self.output(self.transformer(rearrange(condition, "b c f -> b f c"), mask, start))
        return rearrange(x * mask[..., None], "b f m -> b m f")


__test__ = {"MelTransformer": MelTransformer}  # doctest takes it for another module's class
