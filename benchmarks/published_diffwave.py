"""The yardstick: the published vocoder's network and sampler, as plainly as PyTorch says it.

DiffWave (Kong et al., ICLR 2021, section 3) as PriorGrad (Lee et al., ICLR 2022) publishes it: `conv1d` over
(batch, channels, samples), one call after the other, everything computed anew in every step. The names are
those of the published weights, which `DiffWave.from_neuralspeech` reads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measuring import Options
from priordiff import DiffWave

__all__ = ["PublishedDiffWave", "multiply_adds", "pair", "sample", "training_loss"]

N_MELS, HOP_LENGTH = 80, 256


class PublishedDiffWave(nn.Module):
    """The network; the defaults are the published sizes.

    Args:
        channels: of the residual stack.
        layers: number of residual layers.
        cycle: layer i has dilation 2^(i mod cycle).
    """

    def __init__(self, channels: int = 64, layers: int = 30, cycle: int = 10) -> None:
        super().__init__()
        self.input_projection = nn.Conv1d(1, channels, 1)
        self.diffusion_embedding = _Embedding()
        self.spectrogram_upsampler = _Upsampler()
        self.residual_layers = nn.ModuleList(_Layer(channels, 2 ** (i % cycle)) for i in range(layers))
        self.skip_projection = nn.Conv1d(channels, channels, 1)
        self.output_projection = nn.Conv1d(channels, 1, 1)

    def forward(self, sample: Tensor, timestep: Tensor, log_mel: Tensor) -> Tensor:
        """The noise in waveforms (batch, 1, samples), given frames (batch, 80, frames) and steps (batch,)."""
        x = F.relu(self.input_projection(sample))
        step, condition = self.diffusion_embedding(timestep), self.spectrogram_upsampler(log_mel)
        total: Tensor | None = None
        for layer in self.residual_layers:
            x, skip = layer(x, step, condition)
            total = skip if total is None else total + skip
        assert total is not None
        return self.output_projection(
            F.relu(self.skip_projection(total / math.sqrt(len(self.residual_layers))))
        )


class _Embedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.projection1, self.projection2 = nn.Linear(128, 512), nn.Linear(512, 512)

    def forward(self, timestep: Tensor) -> Tensor:
        low, high = self._table(timestep.floor()), self._table(timestep.ceil())
        x = low + (high - low) * (timestep - timestep.floor())[:, None]
        return F.silu(self.projection2(F.silu(self.projection1(x.to(self.projection1.weight.dtype)))))

    @staticmethod
    def _table(step: Tensor) -> Tensor:
        angles = step[:, None] * 10.0 ** (torch.arange(64.0, device=step.device)[None] * 4.0 / 63.0)
        return torch.cat([angles.sin(), angles.cos()], 1)


class _Upsampler(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = (
            nn.ConvTranspose2d(1, 1, (3, 32), stride=(1, 16), padding=(1, 8)) for _ in range(2)
        )

    def forward(self, log_mel: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv1(log_mel[:, None]), 0.4)
        return F.leaky_relu(self.conv2(x), 0.4)[:, 0]


class _Layer(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilated_conv = nn.Conv1d(channels, 2 * channels, 3, padding=dilation, dilation=dilation)
        self.diffusion_projection = nn.Linear(512, channels)
        self.conditioner_projection = nn.Conv1d(N_MELS, 2 * channels, 1)
        self.output_projection = nn.Conv1d(channels, 2 * channels, 1)

    def forward(self, x: Tensor, step: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        y = x + self.diffusion_projection(step)[:, :, None]
        y = self.dilated_conv(y) + self.conditioner_projection(condition)
        gate, content = y.chunk(2, 1)
        residual, skip = self.output_projection(gate.sigmoid() * content.tanh()).chunk(2, 1)
        return (x + residual) / math.sqrt(2.0), skip


@torch.no_grad()
def sample(
    network: nn.Module, log_mel: Tensor, timesteps: Tensor, betas: Sequence[float], generator: torch.Generator
) -> Tensor:
    """DDPM's sampler (Ho et al., 2020, algorithm 2) from N(0, I): waveforms (batch, samples).

    Args:
        network: as above.
        log_mel: frames (batch, 80, frames).
        timesteps: training steps with the noise levels of the betas.
        betas: of sampling, increasing.
        generator: source of the noise, on the CPU.
    """
    beta = torch.tensor(betas, dtype=torch.float64)
    alpha_bar = torch.cumprod(1 - beta, 0)
    shape = (len(log_mel), 1, log_mel.shape[-1] * HOP_LENGTH)
    x = torch.randn(shape, generator=generator).to(log_mel.device)
    for s in reversed(range(len(betas))):
        noise = network(x.to(log_mel.dtype), timesteps[s].expand(len(x)), log_mel).float()
        x = (x - float(beta[s] / (1 - alpha_bar[s]).sqrt()) * noise) / math.sqrt(1 - beta[s])
        if s > 0:
            std = ((1 - alpha_bar[s - 1]) / (1 - alpha_bar[s]) * beta[s]).sqrt()
            x = x + float(std) * torch.randn(shape, generator=generator).to(x)
    return x[:, 0]


def training_loss(
    network: nn.Module,
    waveform: Tensor,
    log_mel: Tensor,
    std: Tensor,
    noise: Tensor,
    timesteps: Tensor,
    alpha_bar: Tensor,
) -> Tensor:
    """PriorGrad's loss (Lee et al., 2022, algorithm 1): the squared error of the noise over its variance.

    Args:
        network: as above.
        waveform: crops (batch, 1, samples).
        log_mel: their frames (batch, 80, frames).
        std: of the prior (batch, 1, samples).
        noise: white (batch, 1, samples).
        timesteps: int64 (batch,).
        alpha_bar: of each training step (T,).
    """
    signal, noise = alpha_bar[timesteps, None, None], noise * std
    noisy = signal.sqrt() * waveform + (1 - signal).sqrt() * noise
    return ((noise - network(noisy, timesteps, log_mel)) / std).square().mean()


@torch.no_grad()
def pair(options: Options) -> tuple[PublishedDiffWave, DiffWave]:
    """The published network and ours with its weights; tiny ones in quick mode.

    The last layer is scaled and shifted so that the prediction is as large as noise: with first weights it is
    a constant, up to a thousandth, in whose rounding all that the layers do differently would be lost.
    """
    torch.manual_seed(options.seed)
    sizes = {"channels": 8, "layers": 4, "cycle": 2} if options.quick else {}
    published, frames = PublishedDiffWave(**sizes), 16
    nn.init.normal_(published.output_projection.weight)
    log_mel = torch.randn(1, N_MELS, frames) * 2 - 5
    predicted = published(torch.randn(1, 1, frames * HOP_LENGTH), torch.tensor([25]), log_mel)
    last = published.output_projection
    last.weight /= predicted.std()
    last.bias.copy_((last.bias - predicted.mean()) / predicted.std())
    ours = DiffWave.from_neuralspeech(published.state_dict(), sizes.get("cycle", 10))
    return published.to(options.device), ours.to(options.device)


def multiply_adds(network: PublishedDiffWave) -> int:
    """Multiplications of the network for each sample, each with an addition."""
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv1d)]
    return sum(convolution.weight.numel() for convolution in convolutions)
