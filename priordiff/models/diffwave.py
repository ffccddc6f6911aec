"""DiffWave: a dilated convolutional denoiser for waveforms, conditioned on log-mel frames."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Tensor, nn

from priordiff.models.diffwave_conditions import UPSAMPLING_MARGIN
from priordiff.models.diffwave_in_tiles import predict_in_tiles, suits_tiles
from priordiff.models.diffwave_layers import (
    ResidualLayer,
    ResidualLayers,
    StepEmbedding,
    row_conv,
    sum_of_skips,
)
from priordiff.models.frame_upsampler import FrameUpsampler
from priordiff.models.frames import check_sizes, check_vocoder_inputs
from priordiff.models.neuralspeech import PriorCondition, fit_weights, infer_config, read_state_dict

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["DiffWave"]


class DiffWave(ModelMixin, ConfigMixin):
    r"""The denoiser of DiffWave (Kong et al., ICLR 2021) with PriorGrad's options.

    The defaults are the network of PriorGrad's vocoder (Lee et al., ICLR 2022), 2,619,971 parameters. With
    `block_size`
    $B > 1$ each block of $B$ neighbouring samples becomes one position with $B$ channels, which makes the
    same network
    $B$ times cheaper: the choice for CPUs.

    On CPUs, where no gradients are asked for, long waveforms are evaluated in tiles: the same to rounding,
    but faster, and in memory that does not grow with their length.

    Args:
        residual_channels: width of the residual stack.
        residual_layers: number of residual layers.
        dilation_cycle_length: layer $i$ has dilation 2^(i mod dilation_cycle_length).
        n_mels: number of mel bands of the conditioning.
        hop_length: samples per mel frame, a multiple of `block_size`.
        block_size: samples per position, 1 in the paper.
        prior_condition: how the network sees the prior's standard deviation per frame (`prior_std` of
            `forward`): not at all, as one more mel channel, or through a conditioner of its own.

    Raises:
        ValueError: if a size is not positive or `hop_length` not a multiple of `block_size`.

    Example:
        >>> model = DiffWave(residual_channels=8, residual_layers=2, block_size=16)
        >>> model(torch.randn(2, 1, 2560), torch.tensor([3, 7.5]), torch.randn(2, 80, 10)).shape
        torch.Size([2, 1, 2560])
    """

    __module__ = "priordiff"  # where DiffusionPipeline.from_pretrained looks for the class

    @register_to_config
    def __init__(
        self,
        residual_channels: int = 64,
        residual_layers: int = 30,
        dilation_cycle_length: int = 10,
        n_mels: int = 80,
        hop_length: int = 256,
        block_size: int = 1,
        prior_condition: PriorCondition = "none",
    ) -> None:
        super().__init__()
        check_sizes(
            residual_channels=residual_channels,
            residual_layers=residual_layers,
            dilation_cycle_length=dilation_cycle_length,
            n_mels=n_mels,
            hop_length=hop_length,
            block_size=block_size,
        )
        if hop_length % block_size:
            raise ValueError(f"hop_length={hop_length} is not a multiple of block_size={block_size}")
        if prior_condition not in ("none", "mel_channel", "conditioner"):
            raise ValueError(
                f"prior_condition={prior_condition!r} must be 'none', 'mel_channel' or 'conditioner'"
            )
        condition_channels = n_mels + (prior_condition == "mel_channel")
        has_prior_conditioner = prior_condition == "conditioner"
        stride = hop_length // block_size

        self.input_projection = row_conv(block_size, residual_channels, 1)
        self.step_embedding = StepEmbedding()
        self.mel_upsampler = FrameUpsampler(stride)
        self.prior_upsampler = FrameUpsampler(stride) if has_prior_conditioner else None
        self.layers = ResidualLayers(
            ResidualLayer(
                residual_channels,
                condition_channels,
                has_prior_conditioner,
                dilation=2 ** (index % dilation_cycle_length),
            )
            for index in range(residual_layers)
        )
        self.skip_projection = row_conv(residual_channels, residual_channels, 1)
        self.output_projection = row_conv(residual_channels, block_size, 1)
        for parameter in self.output_projection.parameters():
            nn.init.zeros_(parameter)

    @property
    def margin_frames(self) -> int:
        """Frames on either side that decide on what is predicted in one."""
        config = self.config
        seen = sum(2 ** (index % config.dilation_cycle_length) for index in range(config.residual_layers))
        return -(-seen * config.block_size // config.hop_length) + UPSAMPLING_MARGIN

    def forward(
        self, sample: Tensor, timestep: Tensor | float, log_mel: Tensor, prior_std: Tensor | None = None
    ) -> Tensor:
        """Predicts the noise in `sample`.

        Args:
            sample: noisy waveforms (batch, 1, frames · hop_length).
            timestep: training step of each item (batch,) or one for all; fractional steps interpolate the
                embedding.
            log_mel: log-mel frames (batch, n_mels, frames).
            prior_std: the prior's standard deviation per frame (batch, frames), if `prior_condition` asks for
                it.

        Returns:
            The prediction (batch, 1, frames · hop_length).

        Raises:
            ValueError: if the shapes do not fit each other or the configuration.
        """
        steps = torch.as_tensor(timestep, device=sample.device, dtype=torch.float32)
        self._check_inputs(sample, steps, log_mel, prior_std)
        if suits_tiles(self, sample, steps, log_mel, prior_std):
            return predict_in_tiles(self, sample, steps, log_mel, prior_std)
        step = self.step_embedding(steps.expand(len(sample)), sample.dtype)
        condition, prior_condition = self.upsampled(log_mel, prior_std)

        # One row of positions with the channels last: the layout in which CPUs and GPUs convolve fastest.
        x = rearrange(sample, "b 1 (t block) -> b block 1 t", block=self.config.block_size)
        x = F.relu(self.input_projection(x.contiguous(memory_format=torch.channels_last)))
        x = sum_of_skips(self.layers, x, step, condition, prior_condition)
        x = self.output_projection(F.relu(self.skip_projection(x)))
        return rearrange(x, "b block 1 t -> b 1 (t block)")

    def upsampled(self, log_mel: Tensor, prior_std: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """What the layers are conditioned on, for each position, whatever the timestep.

        Args:
            log_mel: as in `forward`.
            prior_std: likewise.

        Returns:
            The mel frames (batch, channels, 1, positions), with the prior as one channel more if the model's
            `prior_condition` is "mel_channel", and the prior (batch, 1, 1, positions) if it is "conditioner".
        """
        if prior_std is None:
            return self.mel_upsampler(log_mel), None
        prior_channel = prior_std[:, None]
        if self.prior_upsampler is None:
            return self.mel_upsampler(torch.cat([log_mel, prior_channel], dim=1)), None
        return self.mel_upsampler(log_mel), self.prior_upsampler(prior_channel)

    @classmethod
    def from_neuralspeech(
        cls,
        source: Mapping[str, Tensor] | str | os.PathLike[str],
        dilation_cycle_length: int = 10,
        hop_length: int = 256,
        prior_condition: PriorCondition | None = None,
    ) -> Self:
        """A model with the weights of the published PriorGrad (NeuralSpeech) or DiffWave code.

        Width, depth, mel bands and the way the prior is told are read off the weights.

        Args:
            source: a state dict, or a path: safetensors, or a checkpoint of torch, read with
                `weights_only=True` so that no pickled code runs.
            dilation_cycle_length: as published for these weights.
            hop_length: samples per mel frame of these weights.
            prior_condition: how these weights take the prior's standard deviation; None reads it off them:
                a conditioner of its own has its own keys, and 81 condition channels are taken for the
                published 80 mel bands and the prior's.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the weights do not fit; the message names every missing, unexpected and misshapen
                key.

        Example:
            >>> import torch
            >>> DiffWave.from_neuralspeech({"bias": torch.zeros(2)})
            Traceback (most recent call last):
            ...
            ValueError: not the weights of a published DiffWave: ...
        """
        published = {key.removeprefix("module."): value for key, value in read_state_dict(source).items()}
        model = cls(
            **infer_config(published, prior_condition),
            dilation_cycle_length=dilation_cycle_length,
            hop_length=hop_length,
        )
        model.load_state_dict(fit_weights(published, model.state_dict()))
        return model

    def _check_inputs(self, sample: Tensor, steps: Tensor, log_mel: Tensor, prior_std: Tensor | None) -> None:
        check_vocoder_inputs(self.config, sample, steps, log_mel)
        if (prior_std is not None) != (self.config.prior_condition != "none"):
            raise ValueError(
                f"prior_std is {'missing' if prior_std is None else 'given'}, but the model has "
                f"prior_condition={self.config.prior_condition!r}"
            )
        expected = (len(log_mel), log_mel.shape[-1])
        if prior_std is not None and prior_std.shape != expected:
            raise ValueError(f"prior_std has shape {tuple(prior_std.shape)}, expected {expected}")


__test__ = {"DiffWave": DiffWave}  # doctest takes it for another module's class
