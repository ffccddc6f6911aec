"""Phonemes to what an acoustic decoder is conditioned on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Tensor, nn

from priordiff.models.frames import check_probabilities, check_sizes
from priordiff.models.length_regulator import frame_mask, to_frames
from priordiff.models.transformer import FeedForwardTransformer
from priordiff.value_checks import values_are_checked

__all__ = ["EncodedText", "TextEncoder"]


@dataclass
class EncodedText:
    """What `TextEncoder` makes of phonemes.

    Attributes:
        condition: for each frame, (batch, channels, frames), zero in the padding.
        mask: True where a frame is no padding, (batch, frames).
        symbols: index of the phoneme that each frame belongs to, int64 (batch, frames), 0 in the padding.
        phonemes: for each phoneme, (batch, phonemes, channels): what the durations, pitch and energy are
            predicted from.
        durations: int (batch, phonemes): those that were given, or the predicted ones.
        log_durations: predicted log(1 + duration in frames), (batch, phonemes).
        pitch: predicted, (batch, phonemes), in the units of the training.
        energy: likewise.
    """

    condition: Tensor
    mask: Tensor
    symbols: Tensor
    phonemes: Tensor
    durations: Tensor
    log_durations: Tensor
    pitch: Tensor
    energy: Tensor


class TextEncoder(ModelMixin, ConfigMixin):
    r"""The encoder of FastSpeech 2 (Ren et al., ICLR 2021) with its variance adaptor, for any decoder.

    A transformer over phonemes; predictors of durations, pitch and energy, each for a phoneme (as in
    FastPitch, Łańcucki, ICASSP 2021); pitch and energy added as embeddings; and the length regulator, which
    repeats each phoneme for its frames. The defaults are the sizes that PriorGrad's acoustic model has (Lee
    et al., ICLR 2022).

    Args:
        num_symbols: of the phonemes; their indices lie in 1…num_symbols, and 0 is padding.
        num_speakers: each has an embedding that is added to the phonemes'; 1 for none.
        channels: width.
        layers: of the transformer.
        heads: of its attention.
        filter_channels: width between its convolutions.
        kernel_size: of them.
        dropout: of it.
        predictor_channels: width of the predictors.
        predictor_dropout: of them.

    Raises:
        ValueError: if the sizes do not fit.

    Example:
        >>> encoder = TextEncoder(num_symbols=10, channels=16, layers=1, filter_channels=32)
        >>> encoded = encoder(torch.tensor([[3, 1, 4]]), durations=torch.tensor([[2, 5, 3]]))
        >>> encoded.condition.shape
        torch.Size([1, 16, 10])
    """

    __module__ = "priordiff"  # where DiffusionPipeline.from_pretrained looks for the class

    @register_to_config
    def __init__(
        self,
        num_symbols: int,
        num_speakers: int = 1,
        channels: int = 256,
        layers: int = 4,
        heads: int = 2,
        filter_channels: int = 1024,
        kernel_size: int = 9,
        dropout: float = 0.2,
        predictor_channels: int = 256,
        predictor_dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_sizes(
            num_symbols=num_symbols,
            num_speakers=num_speakers,
            channels=channels,
            predictor_channels=predictor_channels,
        )
        check_probabilities(predictor_dropout=predictor_dropout)
        self.symbols = nn.Embedding(num_symbols + 1, channels, padding_idx=0)
        nn.init.normal_(self.symbols.weight, std=channels**-0.5)
        self.speakers = nn.Embedding(num_speakers, channels) if num_speakers > 1 else None
        self.transformer = FeedForwardTransformer(
            channels, layers, heads, filter_channels, kernel_size, dropout
        )
        self.duration_predictor = _Predictor(channels, predictor_channels, predictor_dropout)
        self.pitch_predictor = _Predictor(channels, predictor_channels, predictor_dropout)
        self.energy_predictor = _Predictor(channels, predictor_channels, predictor_dropout)
        self.pitch_embedding = nn.Conv1d(1, channels, 3, padding=1)
        self.energy_embedding = nn.Conv1d(1, channels, 3, padding=1)

    def forward(
        self,
        symbols: Tensor,
        speakers: Optional[Tensor] = None,  # noqa: UP045
        durations: Optional[Tensor] = None,  # noqa: UP045
        pitch: Optional[Tensor] = None,  # noqa: UP045
        energy: Optional[Tensor] = None,  # noqa: UP045
        speed: float = 1.0,
        pitch_shift: float = 0.0,
        num_frames: Optional[int] = None,  # noqa: UP045
    ) -> EncodedText:
        """Encodes phonemes, and expands them to frames.

        What is not given is predicted.

        Args:
            symbols: indices of phonemes, int64 (batch, phonemes), 0 for padding at the end.
            speakers: index of each item's speaker, int64 (batch,), if the encoder has several.
            durations: in frames, int64 (batch, phonemes), 0 for padding.
            pitch: of each phoneme, (batch, phonemes), in units that the caller chooses, about standard
                normal.
            energy: likewise.
            speed: predicted durations are divided by it; 0.1 to 10.
            pitch_shift: is added to predicted pitch.
            num_frames: frames of the longest item, where the durations are given and it is known: to look at
                durations that are on an accelerator is to wait for it.

        Raises:
            ValueError: if an index is out of range or a shape does not fit.
        """
        self._check_inputs(symbols, speakers, durations, speed)
        mask = symbols > 0
        x = self.symbols(symbols)
        if self.speakers is not None:
            x = x + self.speakers(speakers)[:, None]
        x = self.transformer(x, mask)
        encoded = x
        log_durations = self.duration_predictor(x, mask)
        predicted_pitch, predicted_energy = (
            predictor(x, mask) for predictor in (self.pitch_predictor, self.energy_predictor)
        )
        if durations is None:
            durations = self._rounded(log_durations, mask, speed)
        values = (
            predicted_pitch + pitch_shift if pitch is None else pitch,
            predicted_energy if energy is None else energy,
        )
        for value, embedding in zip(values, (self.pitch_embedding, self.energy_embedding), strict=True):
            kept = (value * mask)[:, None].to(x.dtype)
            x = x + rearrange(embedding(kept), "b c l -> b l c")
        return EncodedText(
            condition=rearrange(to_frames(x, durations, num_frames), "b f c -> b c f"),
            mask=frame_mask(durations, num_frames),
            symbols=to_frames(symbols, durations, num_frames),
            phonemes=encoded,
            durations=durations,
            log_durations=log_durations,
            pitch=predicted_pitch,
            energy=predicted_energy,
        )

    @staticmethod
    def _rounded(log_durations: Tensor, mask: Tensor, speed: float) -> Tensor:
        """Whole frames: marks between words may have none; the first symbol lasts, so that an item does."""
        durations = (torch.expm1(log_durations.detach().float()).clamp(min=0) / speed).round().long()
        durations[:, 0] = durations[:, 0].clamp(min=1)
        return torch.where(mask, durations, 0)

    def _check_inputs(
        self, symbols: Tensor, speakers: Tensor | None, durations: Tensor | None, speed: float
    ) -> None:
        config = self.config
        if symbols.dim() != 2 or not _lie_in(symbols, 0, config.num_symbols):
            raise ValueError(
                f"symbols has shape {tuple(symbols.shape)} and indices {int(symbols.min())} to "
                f"{int(symbols.max())}, expected (batch, phonemes) and 0 to {config.num_symbols}"
            )
        if (speakers is None) != (self.speakers is None):
            raise ValueError(
                f"speakers is {'missing' if speakers is None else 'given'}, but the encoder has "
                f"num_speakers={config.num_speakers}"
            )
        if speakers is not None and not _lie_in(speakers, 0, config.num_speakers - 1):
            raise ValueError(f"speakers is {speakers.tolist()}, expected 0 to {config.num_speakers - 1}")
        if durations is not None and durations.shape != symbols.shape:
            raise ValueError(
                f"durations has shape {tuple(durations.shape)}, expected {tuple(symbols.shape)} as symbols"
            )
        if not 0.1 <= speed <= 10:
            raise ValueError(f"speed={speed}, expected 0.1 to 10")


def _lie_in(indices: Tensor, first: int, last: int) -> bool:
    return not values_are_checked() or bool(((indices >= first) & (indices <= last)).all())


class _Predictor(nn.Module):
    """One value for each phoneme, by two convolutions (FastSpeech 2, section 2.3)."""

    def __init__(self, channels: int, hidden_channels: int, dropout: float, kernel_size: int = 3) -> None:
        super().__init__()
        self.dropout = dropout
        widths = ((channels, hidden_channels), (hidden_channels, hidden_channels))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel_size, padding=kernel_size // 2) for before, after in widths
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_channels) for _ in widths)
        self.output = nn.Linear(hidden_channels, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        kept = mask[..., None].to(x.dtype)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.relu(rearrange(convolution(rearrange(x * kept, "b l c -> b c l")), "b c l -> b l c"))
            x = F.dropout(norm(x), self.dropout, self.training)
        return self.output(x).squeeze(-1) * mask


__test__ = {"TextEncoder": TextEncoder}  # doctest takes it for another module's class
