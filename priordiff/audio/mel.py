"""Log-mel spectrograms as neural vocoders use them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from priordiff._extra import require

__all__ = ["LogMelSpectrogram", "foreign_log_mels", "log_mel_range", "mel_filter_bank"]

_SMALLEST_MAGNITUDE = 1e-5
# In nepers: a network that predicts log-mel frames goes a little beyond those that it was trained on.
_RANGE_TOLERANCE = 1.0


def log_mel_range(parameters: Mapping[str, Any]) -> tuple[float, float]:
    r"""The least and the greatest value that `LogMelSpectrogram` can give.

    No waveform in [−1, 1] gives less than $\log 10^{-5}$. No bin's magnitude exceeds the sum of the Hann
    window, `win_length` / 2, and a filter of unit area over bins of `sample_rate` / `n_fft` Hz sums to about
    `n_fft` / `sample_rate`, a narrow one to less than twice as much.

    Args:
        parameters: those of `LogMelSpectrogram`, by name.

    Example:
        >>> low, high = log_mel_range({"sample_rate": 22050, "n_fft": 1024, "win_length": 1024})
        >>> f"{low:.1f} to {high:.1f}"
        '-11.5 to 3.9'
    """
    greatest = parameters["win_length"] * parameters["n_fft"] / parameters["sample_rate"]
    return math.log(_SMALLEST_MAGNITUDE), math.log(greatest)


def foreign_log_mels(log_mels: Iterable[Tensor], parameters: Mapping[str, Any]) -> str | None:
    """Says why frames cannot be those of `LogMelSpectrogram`: some leave `log_mel_range`.

    Args:
        log_mels: frames of any shape.
        parameters: those of `LogMelSpectrogram`, by name.

    Returns:
        One sentence, or None if all values are possible.

    Example:
        >>> parameters = {"sample_rate": 22050, "n_fft": 1024, "win_length": 1024}
        >>> foreign_log_mels([torch.full((80, 10), -60.0)], parameters)
        'log-mel frames range from -60.0 to -60.0, ...'
    """
    extremes = torch.stack([torch.stack(log_mel.aminmax()) for log_mel in log_mels])
    smallest, largest = extremes.min().item(), extremes.max().item()
    low, high = log_mel_range(parameters)
    if low - _RANGE_TOLERANCE <= smallest and largest <= high + _RANGE_TOLERANCE:
        return None
    return (
        f"log-mel frames range from {smallest:.1f} to {largest:.1f}, but natural logarithms of mel "
        f"magnitudes of waveforms in [−1, 1] from {low:.1f} to {high:.1f}: are they decibels (multiply by "
        f"{math.log(10) / 20:.4f}), no logarithms, or of waveforms in another scale?"
    )


def mel_filter_bank(sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float) -> Tensor:
    r"""The triangular mel filters $M$ on Slaney's scale, each normalised to unit area.

    Source: Slaney, *Auditory Toolbox* (1998), in torchaudio's implementation, which equals librosa's default.

    Args:
        sample_rate: samples per second.
        n_fft: length of the Fourier transform in samples.
        n_mels: number of mel bands.
        f_min: lower edge of the lowest band in Hz.
        f_max: upper edge of the highest band in Hz.

    Returns:
        Tensor (n_mels, n_fft // 2 + 1), in the default dtype, but float32 at least:
        `mel = mel_filter_bank(...) @ magnitude`.

    Raises:
        ValueError: if the band edges do not satisfy 0 <= f_min < f_max <= sample_rate / 2, or `n_mels` is not
            positive.
        ImportError: if the extra `audio` is not installed.

    Example:
        >>> mel_filter_bank(22050, 1024, 80, 0.0, 8000.0).shape
        torch.Size([80, 513])
    """
    if n_mels < 1:
        raise ValueError(f"n_mels={n_mels} must be at least 1")
    if not 0 <= f_min < f_max <= sample_rate / 2:
        raise ValueError(
            f"mel band edges f_min={f_min}, f_max={f_max} must satisfy 0 <= f_min < f_max <= "
            f"{sample_rate / 2} (half of sample_rate={sample_rate})"
        )
    melscale_fbanks = require("torchaudio", "audio").functional.melscale_fbanks
    default = torch.get_default_dtype()
    # torchaudio computes in the default dtype, which is half precision where diffusers loads a model in it.
    torch.set_default_dtype(torch.promote_types(default, torch.float32))
    try:
        filters = melscale_fbanks(
            n_fft // 2 + 1, f_min, f_max, n_mels, sample_rate, norm="slaney", mel_scale="slaney"
        )
    finally:
        torch.set_default_dtype(default)
    return filters.T.contiguous()


class LogMelSpectrogram(nn.Module):
    r"""Waveform to log-mel spectrogram, with one frame for every `hop_length` samples.

    $\log\max(M\sqrt{|\mathrm{STFT}(x)|^2 + 10^{-9}},\ 10^{-5})$ with a Hann window, no centring and reflect
    padding of (n_fft − hop_length) / 2 at each end, so that frame $f$ is centred on samples $[f, f +
    1)\cdot$`hop_length`. The published DiffWave, PriorGrad and HiFi-GAN vocoders are conditioned on exactly
    this.

    Args:
        sample_rate: samples per second.
        n_fft: length of the Fourier transform in samples.
        hop_length: samples per frame.
        win_length: length of the Hann window in samples, at most `n_fft`.
        n_mels: number of mel bands.
        f_min: lower edge of the lowest band in Hz.
        f_max: upper edge of the highest band in Hz.

    Raises:
        ValueError: if a length is not positive, or the window or the hop is longer than `n_fft`.

    Example:
        >>> log_mel = LogMelSpectrogram(sample_rate=22050, hop_length=256)
        >>> log_mel(torch.zeros(2, 2560)).shape
        torch.Size([2, 80, 10])
    """

    window: Tensor
    filters: Tensor

    def __init__(
        self,
        sample_rate: int = 22050,
        n_fft: int = 1024,
        hop_length: int = 256,
        win_length: int = 1024,
        n_mels: int = 80,
        f_min: float = 0.0,
        f_max: float = 8000.0,
    ) -> None:
        super().__init__()
        if not 0 < win_length <= n_fft:
            raise ValueError(f"win_length={win_length} must lie in 1…n_fft={n_fft}")
        if not 0 < hop_length <= n_fft or (n_fft - hop_length) % 2:
            raise ValueError(
                f"hop_length={hop_length} must lie in 1…n_fft={n_fft} and differ from it by an even "
                "number of samples"
            )
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.win_length = win_length
        self.n_mels = n_mels
        filters = mel_filter_bank(sample_rate, n_fft, n_mels, f_min, f_max)
        self.register_buffer("window", torch.hann_window(win_length, dtype=filters.dtype), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, waveform: Tensor, padded: bool = False) -> Tensor:
        """Waveforms (B, N) in [−1, 1] to log-mel frames (B, n_mels, N // hop_length).

        Args:
            waveform: on the module's device.
            padded: whether `padding` samples more are given at each end, in place of reflections: a piece
                of a recording has the frames of the whole, if its surroundings come with it.

        Raises:
            ValueError: if the shape is another one, the dtype is not the module's, or there is no whole
                frame.
        """
        return self.from_spectrum(self.spectrum(waveform, padded))

    @property
    def padding(self) -> int:
        """Samples by which a waveform is reflected at each end."""
        return (self.n_fft - self.hop_length) // 2

    @property
    def min_samples(self) -> int:
        """Of the shortest waveform that has a frame and can be reflected at its ends."""
        return max(self.padding + 1, self.hop_length)

    def spectrum(self, waveform: Tensor, padded: bool = False) -> Tensor:
        """Waveforms (B, N) in [−1, 1] to complex short-time spectra (B, n_fft / 2 + 1, N // hop_length).

        Args:
            waveform: as when the module is called.
            padded: likewise.

        Raises:
            ValueError: as when the module is called.
        """
        if waveform.dim() != 2:
            raise ValueError(f"waveform has shape {tuple(waveform.shape)}, expected (batch, samples)")
        if waveform.dtype != self.window.dtype:
            raise ValueError(
                f"waveform has dtype {waveform.dtype}, expected {self.window.dtype} in [−1, 1]: convert the "
                "waveform, or this module with .to(dtype)"
            )
        needed = self.n_fft if padded else self.min_samples
        if waveform.shape[-1] < needed:
            raise ValueError(
                f"waveform has {waveform.shape[-1]} samples, too few for one frame: at least "
                f"{needed} are needed"
            )
        if not padded:
            waveform = F.pad(waveform, (self.padding, self.padding), mode="reflect")
        return torch.stft(
            waveform,
            self.n_fft,
            hop_length=self.hop_length,
            win_length=self.win_length,
            window=self.window,
            center=False,
            return_complex=True,
        )

    def from_spectrum(self, spectrum: Tensor) -> Tensor:
        """Short-time spectra (B, n_fft / 2 + 1, F) to log-mel frames (B, n_mels, F)."""
        # The log of a quiet band needs the precision that autocast would take from the filters' product.
        with torch.autocast(spectrum.device.type, enabled=False):
            magnitude = (spectrum.real**2 + spectrum.imag**2 + 1e-9).sqrt()
            return (self.filters @ magnitude).clamp(min=_SMALLEST_MAGNITUDE).log()
