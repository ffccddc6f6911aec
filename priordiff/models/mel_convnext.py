"""ConvNeXt on mel frames: a denoiser of acoustic models."""

from __future__ import annotations

from typing import Literal

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Tensor, nn

from priordiff.models.convnext import ConvNeXtBlock, check_kernel_size
from priordiff.models.diffwave_layers import StepEmbedding
from priordiff.models.frames import check_mel_denoiser_inputs, check_prior_condition, check_sizes

__all__ = ["MelConvNeXt"]


class MelConvNeXt(ModelMixin, ConfigMixin):
    r"""ConvNeXt blocks on mel frames: a denoiser that may stand where `MelDiffWave` stands.

    The noisy frame and its condition are projected together, and a stack of
    [ConvNeXt blocks][priordiff.models.ConvNeXtBlock], each modulated by the diffusion step, predicts the
    noise, or whatever it is trained to. Matcha-TTS (Mehta et al., ICASSP 2024) and others have shown that
    small convolutional decoders suffice for mel frames.

    Args:
        n_mels: number of mel bands.
        condition_channels: width of the condition, such as an encoder's output.
        channels: width of the stack.
        layers: number of blocks.
        kernel_size: frames that a block sees, odd.
        expansion: width of a block's hidden layer, in multiples of `channels`.
        prior_condition: how the network sees the prior: not at all, or its mean and standard deviation as
            further channels of the input (`prior_mean` and `prior_std` of `forward`).

    Raises:
        ValueError: if a size is not positive, the kernel even, or `prior_condition` none of the two.

    Example:
        >>> model = MelConvNeXt(channels=16, layers=2, condition_channels=32)
        >>> model(torch.randn(2, 80, 30), torch.tensor([3, 7.5]), torch.randn(2, 32, 30)).shape
        torch.Size([2, 80, 30])
    """

    __module__ = "priordiff"  # where DiffusionPipeline.from_pretrained looks for the class

    @register_to_config
    def __init__(
        self,
        n_mels: int = 80,
        condition_channels: int = 256,
        channels: int = 256,
        layers: int = 6,
        kernel_size: int = 7,
        expansion: int = 3,
        prior_condition: Literal["none", "channels"] = "none",
    ) -> None:
        super().__init__()
        check_sizes(
            n_mels=n_mels,
            condition_channels=condition_channels,
            channels=channels,
            layers=layers,
            expansion=expansion,
        )
        check_kernel_size(kernel_size)
        check_prior_condition(prior_condition)
        in_channels = n_mels if prior_condition == "none" else 3 * n_mels
        self.step_embedding = StepEmbedding(hidden_dim=channels)
        self.input_projection = nn.Linear(in_channels + condition_channels, channels)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, kernel_size, expansion, channels) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(channels)
        self.output_projection = nn.Linear(channels, n_mels)
        nn.init.zeros_(self.output_projection.weight)
        nn.init.zeros_(self.output_projection.bias)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        condition: Tensor,
        prior_mean: Tensor | None = None,
        prior_std: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Predicts the noise, or whatever it was trained to, in `sample`.

        Args:
            sample: noisy mel frames (batch, n_mels, frames).
            timestep: training step of each item (batch,) or one for all; fractional steps interpolate the
                embedding.
            condition: (batch, condition_channels, frames).
            prior_mean: of each value of the sample, if `prior_condition` asks for it.
            prior_std: likewise.
            mask: True where a frame is no padding (batch, frames); None where none is. Frames of padding do
                not reach the others.

        Returns:
            The prediction (batch, n_mels, frames), zero in the padding.

        Raises:
            ValueError: if the shapes do not fit each other or the configuration.
        """
        steps = torch.as_tensor(timestep, device=sample.device, dtype=torch.float32)
        check_mel_denoiser_inputs(self.config, sample, steps, condition, prior_mean, prior_std, mask)
        step = self.step_embedding(steps.expand(len(sample)), sample.dtype)
        known = [sample, condition]
        if prior_mean is not None and prior_std is not None:
            known += [prior_mean, prior_std]
        x = self.input_projection(rearrange(torch.cat(known, dim=1), "b c f -> b f c"))
        kept = None if mask is None else mask[..., None].to(x.dtype)
        for block in self.blocks:
            x = block(x if kept is None else x * kept, step)
        x = self.output_projection(self.norm(x))
        return rearrange(x if kept is None else x * kept, "b f c -> b c f")


__test__ = {"MelConvNeXt": MelConvNeXt}  # doctest takes it for another module's class
