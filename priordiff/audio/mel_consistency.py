"""Waveforms that have the mel spectrogram which they were made from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from priordiff.audio.mel import LogMelSpectrogram

__all__ = ["mel_consistent"]

# In nepers, of one step: where a band is all but silent, its error says little of its bins.
_LARGEST_GAIN = 3.0
# Of the largest weight that a sample can have: below it the windows hardly reach the sample.
_SMALLEST_WEIGHT = 1e-3


def mel_consistent(
    waveform: Tensor, log_mel: Tensor, transform: LogMelSpectrogram, num_steps: int = 10
) -> Tensor:
    r"""Brings a waveform closer to a mel spectrogram, whose short-time phases it keeps as they come.

    What a vocoder is conditioned on is a function of its output, so an output that has other mel magnitudes
    $\hat m = M|S|$ than the given $m$ is wrong, by a known amount. Each step multiplies the short-time
    spectrum,

    $$S \leftarrow S \odot \frac{M^\top (m / \hat m)}{M^\top \mathbf 1},$$

    which for fixed phases never increases the divergence $\sum m \log(m / \hat m) - m + \hat m$ (Lee and
    Seung, NIPS 2000), and returns to the waveform whose spectrum is nearest to that by least squares (Griffin
    and Lim, 1984). Frequencies that no filter covers stay as they are.

    Args:
        waveform: (batch, samples) in [−1, 1], of whole frames.
        log_mel: (batch, n_mels, frames), as `transform` makes them.
        transform: of waveforms to log-mel frames.
        num_steps: how often this is done; 0 for not at all.

    Returns:
        Waveforms (batch, samples).

    Raises:
        ValueError: if the shapes do not fit each other or the transform, or the number of steps is negative.

    Example:
        >>> transform = LogMelSpectrogram()
        >>> speech, noise = torch.randn(1, 5120) * torch.linspace(0, 0.1, 5120), 0.1 * torch.randn(1, 5120)
        >>> log_mel = transform(speech)
        >>> better = mel_consistent(noise, log_mel, transform)
        >>> bool((transform(better) - log_mel).abs().mean() < 0.3 * (transform(noise) - log_mel).abs().mean())
        True
    """
    if num_steps < 0:
        raise ValueError(f"num_steps={num_steps}, expected an integer of at least 0")
    expected = (len(waveform), transform.n_mels, waveform.shape[-1] // transform.hop_length)
    if log_mel.shape != expected or waveform.shape[-1] % transform.hop_length:
        raise ValueError(
            f"waveform {tuple(waveform.shape)}, log_mel {tuple(log_mel.shape)}: expected log_mel "
            f"(batch, {transform.n_mels}, frames) and waveform (batch, frames · {transform.hop_length})"
        )
    covered = transform.filters.sum(dim=0) > 0
    filters = transform.filters[:, covered]
    shares = (filters / filters.sum(dim=0)).T
    with torch.autocast(waveform.device.type, enabled=False):
        for _ in range(num_steps):
            spectrum = transform.spectrum(waveform)
            ratio = (log_mel - transform.from_spectrum(spectrum)).clamp(-_LARGEST_GAIN, _LARGEST_GAIN).exp()
            gain = torch.ones_like(spectrum.real)
            gain[:, covered] = shares @ ratio
            waveform = _inverse(spectrum * gain, waveform, transform)
    return waveform


def _inverse(spectrum: Tensor, before: Tensor, transform: LogMelSpectrogram) -> Tensor:
    """The waveforms (B, N) nearest to spectra (B, bins, F); where no window reaches, as they were before."""
    before_window = (transform.n_fft - transform.win_length) // 2
    after_window = transform.n_fft - transform.win_length - before_window
    window = F.pad(transform.window, (before_window, after_window))[:, None]
    frames = torch.fft.irfft(spectrum, n=transform.n_fft, dim=1) * window
    weights = window.square().expand(-1, frames.shape[-1])[None]
    total, weight = _overlap_added(frames, transform), _overlap_added(weights, transform)
    return torch.where(weight > _SMALLEST_WEIGHT * weight.amax(), total / weight, before)


def _overlap_added(frames: Tensor, transform: LogMelSpectrogram) -> Tensor:
    """Frames (B, n_fft, F) to the samples (B, F · hop_length) that they are frames of."""
    padding, count = transform.padding, frames.shape[-1]
    length = (count - 1) * transform.hop_length + transform.n_fft
    summed = F.fold(frames, (1, length), (1, transform.n_fft), stride=(1, transform.hop_length))
    return summed[:, 0, 0, padding : length - padding]
