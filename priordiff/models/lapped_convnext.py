"""A denoiser over the coefficients of a lapped transform, one vector a mel frame."""

from __future__ import annotations

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Tensor, nn

from priordiff.lapped_transform import check_hop_length, inverse_mdct, mdct
from priordiff.models.convnext import ConvNeXtBlock, check_kernel_size
from priordiff.models.diffwave_layers import StepEmbedding
from priordiff.models.frames import check_sizes, check_vocoder_inputs, standardize_log_mel

__all__ = ["LappedConvNeXt"]


class LappedConvNeXt(ModelMixin, ConfigMixin):
    r"""ConvNeXt blocks on the MDCT coefficients of each mel frame: a vocoder's denoiser without upsampling.

    The waveform goes through the orthonormal [`mdct`][priordiff.lapped_transform.mdct] with the mel's hop
    $H$: white noise stays white, and every mel frame has a vector of $H$ coefficients, which a stack of
    [ConvNeXt blocks][priordiff.models.ConvNeXtBlock] sees at once, where DiffWave sees one sample with its
    neighbours. Vocos (Siuzdak, ICLR 2024) and RFWave (Liu et al., 2024) work on frames likewise, of an STFT.
    Made for `model_space="white"` under a [`LappedPrior`][priordiff.priors.LappedPrior] of the same hop,
    where all coefficients have the same size.

    Args:
        channels: width of the stack.
        layers: number of blocks.
        kernel_size: frames that a block sees, odd.
        expansion: width of a block's hidden layer, in multiples of `channels`.
        n_mels: number of mel bands of the conditioning.
        hop_length: samples per mel frame, even.

    Raises:
        ValueError: if a size is not positive, the kernel even or the hop odd.

    Example:
        >>> model = LappedConvNeXt(channels=16, layers=2)
        >>> model(torch.randn(2, 1, 2560), torch.tensor([3, 7.5]), torch.randn(2, 80, 10)).shape
        torch.Size([2, 1, 2560])
    """

    __module__ = "priordiff"  # where DiffusionPipeline.from_pretrained looks for the class

    @register_to_config
    def __init__(
        self,
        channels: int = 320,
        layers: int = 8,
        kernel_size: int = 7,
        expansion: int = 3,
        n_mels: int = 80,
        hop_length: int = 256,
    ) -> None:
        super().__init__()
        check_sizes(
            channels=channels,
            layers=layers,
            expansion=expansion,
            n_mels=n_mels,
        )
        check_kernel_size(kernel_size)
        check_hop_length(hop_length)
        self.step_embedding = StepEmbedding(hidden_dim=channels)
        self.input_projection = nn.Linear(hop_length + n_mels, channels)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, kernel_size, expansion, channels) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(channels)
        self.output_projection = nn.Linear(channels, hop_length)
        nn.init.zeros_(self.output_projection.weight)
        nn.init.zeros_(self.output_projection.bias)

    @property
    def margin_frames(self) -> int:
        """Frames on either side that decide on what is predicted in one."""
        # The transform and its inverse see less than one each.
        return len(self.blocks) * (self.config.kernel_size // 2) + 2

    def forward(self, sample: Tensor, timestep: Tensor | float, log_mel: Tensor) -> Tensor:
        """Predicts the noise, or whatever it was trained to, in `sample`.

        Args:
            sample: noisy waveforms (batch, 1, frames · hop_length).
            timestep: training step of each item (batch,) or one for all; fractional steps interpolate the
                embedding.
            log_mel: log-mel frames (batch, n_mels, frames).

        Returns:
            The prediction (batch, 1, frames · hop_length).

        Raises:
            ValueError: if the shapes do not fit each other or the configuration.
        """
        steps = torch.as_tensor(timestep, device=sample.device, dtype=torch.float32)
        check_vocoder_inputs(self.config, sample, steps, log_mel)
        step = self.step_embedding(steps.expand(len(sample)), sample.dtype)
        precise = torch.promote_types(sample.dtype, torch.float32)  # that Fourier transforms are made for
        coefficients = mdct(sample.to(precise), self.config.hop_length).squeeze(1)
        frames = rearrange(standardize_log_mel(log_mel), "b mel f -> b f mel")
        x = self.input_projection(torch.cat([coefficients.to(frames.dtype), frames], dim=-1))
        for block in self.blocks:
            x = block(x, step)
        coefficients = self.output_projection(self.norm(x)).to(precise)
        return inverse_mdct(coefficients[:, None]).to(sample.dtype)


__test__ = {"LappedConvNeXt": LappedConvNeXt}  # doctest takes it for another module's class
