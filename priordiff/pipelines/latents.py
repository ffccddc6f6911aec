"""The space in which images are diffused: an autoencoder's latents, or the pixels themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["LatentSpace"]


class LatentSpace:
    r"""Images to what is diffused and back: $z = (E(x) - b)\,s$, and $x = D(z/s + b)$.

    $E$ is the mean of the autoencoder's posterior, $D$ its decoder, $s$ and $b$ the `scaling_factor` and
    `shift_factor` of its configuration, which make latents of the training data about standard normal.

    Args:
        vae: `AutoencoderKL`; None for pixels, which are left as they are.

    Example:
        >>> LatentSpace(None).encode(torch.ones(1, 3, 8, 8)).shape
        torch.Size([1, 3, 8, 8])
    """

    def __init__(self, vae: Any | None) -> None:
        self.vae = vae

    @property
    def downsampling(self) -> int:
        """Pixels for each row of latents."""
        return 1 if self.vae is None else 2 ** (len(self.vae.config.block_out_channels) - 1)

    def check_decodes(self, channels: int) -> None:
        """Checks that images can be made of what is diffused.

        Args:
            channels: of what is diffused.

        Raises:
            ValueError: if there is no autoencoder, and the channels are neither grey nor red, green and blue.
        """
        if self.vae is None and channels not in (1, 3):
            raise ValueError(
                f"samples of {channels} channels are no images, and there is no autoencoder to decode them: "
                'give the pipeline its vae=, or ask for output_type="latent"'
            )

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Images (batch, channels, height, width) in [−1, 1] to latents."""
        if self.vae is None:
            return images
        latents = self.vae.encode(images.to(self.vae.dtype)).latent_dist.mode()
        return (latents.to(images.dtype) - self._shift) * self.vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents to images in [−1, 1].

        Raises:
            ValueError: if the autoencoder makes NaN of them.
        """
        if self.vae is None:
            return latents.clamp(-1, 1)
        unscaled = latents / self.vae.config.scaling_factor + self._shift
        images = self.vae.decode(unscaled.to(self.vae.dtype)).sample.to(latents.dtype)
        if images.isnan().any():
            raise ValueError(
                f"the autoencoder made NaN of latents in {self.vae.dtype}: check its weights, and give it "
                "the precision that it was trained in, as by pipeline.vae.float()"
            )
        return images.clamp(-1, 1)

    @property
    def _shift(self) -> float:
        return self.vae.config.shift_factor or 0.0 if self.vae is not None else 0.0
