"""DiffWave on mel frames: the denoiser of acoustic models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Tensor, nn

from priordiff.models.diffwave_layers import (
    ResidualLayer,
    ResidualLayers,
    StepEmbedding,
    row_conv,
    sum_of_skips,
)
from priordiff.models.frames import check_mel_denoiser_inputs, check_prior_condition, check_sizes
from priordiff.models.neuralspeech import fit_weights, number_of_layers, read_state_dict

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["MelDiffWave"]


class MelDiffWave(ModelMixin, ConfigMixin):
    r"""The denoiser of mel frames of PriorGrad's acoustic model (Lee et al., ICLR 2022, section 5).

    DiffWave's residual stack (Kong et al., ICLR 2021), without dilation, with the mel bands as channels and
    one condition vector for each frame. The defaults are the published sizes.

    Args:
        n_mels: number of mel bands.
        condition_channels: width of the condition, such as an encoder's output.
        residual_channels: width of the residual stack.
        residual_layers: number of residual layers.
        dilation_cycle_length: layer $i$ has dilation 2^(i mod dilation_cycle_length); 1 for no dilation.
        prior_condition: how the network sees the prior: not at all, or its mean and standard deviation as
            further channels of the input (`prior_mean` and `prior_std` of `forward`).

    Raises:
        ValueError: if a size is not positive, or `prior_condition` none of the two.

    Example:
        >>> model = MelDiffWave(residual_channels=16, residual_layers=2, condition_channels=32)
        >>> model(torch.randn(2, 80, 30), torch.tensor([3, 7.5]), torch.randn(2, 32, 30)).shape
        torch.Size([2, 80, 30])
    """

    __module__ = "priordiff"  # where DiffusionPipeline.from_pretrained looks for the class

    @register_to_config
    def __init__(
        self,
        n_mels: int = 80,
        condition_channels: int = 256,
        residual_channels: int = 128,
        residual_layers: int = 12,
        dilation_cycle_length: int = 1,
        prior_condition: Literal["none", "channels"] = "none",
    ) -> None:
        super().__init__()
        check_sizes(
            n_mels=n_mels,
            condition_channels=condition_channels,
            residual_channels=residual_channels,
            residual_layers=residual_layers,
            dilation_cycle_length=dilation_cycle_length,
        )
        check_prior_condition(prior_condition)
        in_channels = n_mels if prior_condition == "none" else 3 * n_mels
        self.input_projection = row_conv(in_channels, residual_channels, 1)
        self.step_embedding = StepEmbedding()
        self.layers = ResidualLayers(
            ResidualLayer(
                residual_channels,
                condition_channels,
                has_prior_conditioner=False,
                dilation=2 ** (index % dilation_cycle_length),
            )
            for index in range(residual_layers)
        )
        self.skip_projection = row_conv(residual_channels, residual_channels, 1)
        self.output_projection = row_conv(residual_channels, n_mels, 1)
        for parameter in self.output_projection.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        condition: Tensor,
        prior_mean: Tensor | None = None,
        prior_std: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Predicts the noise in `sample`.

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
        if prior_mean is not None and prior_std is not None:
            sample = torch.cat([sample, prior_mean, prior_std], dim=1)
        # One row of frames with the channels last: the layout in which CPUs and GPUs convolve fastest.
        x, condition = (
            rearrange(frames, "b c t -> b c 1 t").contiguous(memory_format=torch.channels_last)
            for frames in (sample, condition)
        )
        x = F.relu(self.input_projection(x))
        kept = None if mask is None else rearrange(mask, "b t -> b 1 1 t").to(x.dtype)
        x = sum_of_skips(self.layers, x, step, condition, mask=kept)
        x = self.output_projection(F.relu(self.skip_projection(x)))
        return rearrange(x if kept is None else x * kept, "b c 1 t -> b c t")

    @classmethod
    def from_neuralspeech(
        cls, source: Mapping[str, Tensor] | str | os.PathLike[str], dilation_cycle_length: int = 1
    ) -> Self:
        """A model with the weights of the published PriorGrad acoustic decoder (NeuralSpeech).

        All sizes but the dilation are read off the weights.

        Args:
            source: a state dict, or a path: safetensors, or a checkpoint of torch, read with
                `weights_only=True` so that no pickled code runs.
            dilation_cycle_length: as published for these weights.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the weights do not fit; the message names every missing, unexpected and misshapen
                key.

        Example:
            >>> MelDiffWave.from_neuralspeech({"bias": torch.zeros(2)})
            Traceback (most recent call last):
            ...
            ValueError: not the weights of a published DiffWave: ...
        """
        published = {key.removeprefix("module."): value for key, value in read_state_dict(source).items()}
        model = cls(**_sizes_of(published), dilation_cycle_length=dilation_cycle_length)
        model.load_state_dict(fit_weights(published, model.state_dict()))
        return model


def _sizes_of(state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
    """Arguments of `MelDiffWave` for a published state dict, where its keys tell them."""
    sizes: dict[str, Any] = {}
    first, last = (
        state_dict.get(f"{name}.weight", torch.empty(()))
        for name in ("input_projection", "output_projection")
    )
    condition = state_dict.get("residual_layers.0.conditioner_projection.weight", torch.empty(()))
    if first.dim() == last.dim() == condition.dim() == 3:
        sizes = {
            "n_mels": last.shape[0],
            "residual_channels": first.shape[0],
            "condition_channels": condition.shape[1],
            "prior_condition": "channels" if first.shape[1] == 3 * last.shape[0] else "none",
        }
    if count := number_of_layers(state_dict):
        sizes["residual_layers"] = count
    return sizes


__test__ = {"MelDiffWave": MelDiffWave}  # doctest takes it for another module's class
