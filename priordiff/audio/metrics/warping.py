"""Spectral distances of speech that is not aligned, by dynamic time warping."""

from __future__ import annotations

import contextlib

import numpy as np
import torch
from torch import Tensor

from priordiff.audio.metrics._pair import UndefinedMetricError
from priordiff.audio.metrics.pitch import rmse_of_voiced
from priordiff.audio.metrics.spectral import cepstral_distances

__all__ = ["dynamic_time_warping", "warped_distances"]


def dynamic_time_warping(distances: Tensor) -> tuple[Tensor, Tensor]:
    r"""The path through two sequences along which they are nearest (Sakoe and Chiba, 1978).

    It minimises $\sum_{(i, j)} d_{ij}$ over paths from the first pair to the last by steps of one in either
    sequence or in both.

    Args:
        distances: of each element of the one from each of the other, (n, m).

    Returns:
        Indices into the one and into the other, int64 (length,), from 0 to n − 1 and to m − 1.

    Raises:
        ValueError: if there are none, or one is NaN or infinite.

    Example:
        >>> first, second = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([0.0, 0.0, 1.0, 2.0])
        >>> path = dynamic_time_warping((first[:, None] - second).abs())
        >>> [indices.tolist() for indices in path]
        [[0, 0, 1, 2], [0, 1, 2, 3]]
    """
    if distances.dim() != 2 or not distances.numel() or not bool(distances.isfinite().all()):
        raise ValueError(
            f"distances have shape {tuple(distances.shape)}, expected finite numbers (n, m), one at least"
        )
    costs = distances.detach().cpu().double().numpy()
    n, m = costs.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0.0
    # What lies on one diagonal depends on the two before it alone.
    for diagonal in range(2, n + m + 1):
        i = np.arange(max(1, diagonal - m), min(n, diagonal - 1) + 1)
        j = diagonal - i
        before = np.minimum(np.minimum(total[i - 1, j], total[i, j - 1]), total[i - 1, j - 1])
        total[i, j] = costs[i - 1, j - 1] + before
    i, j = n, m
    path = [(i, j)]
    while (i, j) != (1, 1):
        i, j = min(((i - 1, j - 1), (i - 1, j), (i, j - 1)), key=lambda pair: total[pair])
        path.append((i, j))
    first, second = zip(*reversed(path), strict=True)
    return torch.tensor(first) - 1, torch.tensor(second) - 1


def warped_distances(
    prediction: Tensor,
    target: Tensor,
    prediction_f0: Tensor | None = None,
    target_f0: Tensor | None = None,
) -> dict[str, float]:
    """Log-mel MAE, mel-cepstral distortion and F0 RMSE of speech whose timing is its own.

    The frames are paired by `dynamic_time_warping` over the distances of their cepstra (13 coefficients
    without the gain), and the measures are means over the pairs.

    Args:
        prediction: log-mel frames (n_mels, frames).
        target: log-mel frames (n_mels, other frames).
        prediction_f0: fundamental frequency of each frame of the prediction in Hz, 0 where it is unvoiced;
            None where it is not known.
        target_f0: likewise of the target.

    Returns:
        `log_mel_mae` in nats, as of `log_mel_mae`, `mcd` in dB, as of `mel_cepstral_distortion`, and, if both
        frequencies are given and some pair is voiced, `f0_rmse` in Hz, as of `f0_rmse`.

    Raises:
        ValueError: if the bands differ, or are too few; or if there are not as many frequencies as frames.

    Example:
        >>> speech = torch.randn(80, 20)
        >>> slower = speech.repeat_interleave(2, dim=1)
        >>> warped_distances(slower, speech)
        {'log_mel_mae': 0.0, 'mcd': 0.0}
    """
    if prediction.dim() != 2 or target.dim() != 2 or len(prediction) != len(target):
        raise ValueError(
            f"prediction has shape {tuple(prediction.shape)} and target {tuple(target.shape)}, expected "
            "(n_mels, frames) with the same bands"
        )
    distances = cepstral_distances(prediction[:, :, None] - target[:, None])
    first, second = dynamic_time_warping(distances)
    mae = (prediction[:, first] - target[:, second]).abs().mean()
    measures = {"log_mel_mae": float(mae), "mcd": float(distances[first, second].mean())}
    if prediction_f0 is not None and target_f0 is not None:
        for name, f0, frames in (("prediction", prediction_f0, prediction), ("target", target_f0, target)):
            if f0.shape != frames.shape[1:]:
                raise ValueError(
                    f"{name}_f0 has shape {tuple(f0.shape)}, expected {tuple(frames.shape[1:])} as the frames"
                )
        with contextlib.suppress(UndefinedMetricError):
            pairs = prediction_f0.cpu()[first], target_f0.cpu()[second]
            measures["f0_rmse"] = rmse_of_voiced(*(f0.numpy() for f0 in pairs))
    return measures
