"""The likeliest alignment, where none is known."""

from __future__ import annotations

import torch
from torch import Tensor

from priordiff._extra import require

__all__ = ["monotonic_durations"]


def monotonic_durations(log_likelihood: Tensor, num_phonemes: Tensor, num_frames: Tensor) -> Tensor:
    r"""How many frames each phoneme lasts in the likeliest alignment that never goes back nor skips one.

    The alignment $a$ that maximises $\sum_f \log p(x_f \mid a(f))$ over monotonic, surjective maps from
    frames to phonemes (monotonic alignment search: Kim et al., Glow-TTS, NeurIPS 2020, equation 7), by
    dynamic programming on the CPU, in the package monotonic-alignment-search.

    Args:
        log_likelihood: of each frame under each phoneme, (batch, phonemes, frames).
        num_phonemes: of each item, int (batch,); what lies beyond is padding.
        num_frames: of each item, int (batch,).

    Returns:
        int64 (batch, phonemes): 1 at least for each phoneme of an item, 0 for padding; the sum is its frames.

    Raises:
        ImportError: `priordiff[audio]` is not installed.
        ValueError: the shapes do not fit, a likelihood is NaN, or an item has more phonemes than frames.

    Example:
        >>> likely = torch.tensor([[[0.0, 0.0, -9.0], [-9.0, -9.0, 0.0]]])
        >>> monotonic_durations(likely, torch.tensor([2]), torch.tensor([3])).tolist()
        [[2, 1]]
    """
    batch, phonemes, frames = log_likelihood.shape
    for name, lengths, most in (("num_phonemes", num_phonemes, phonemes), ("num_frames", num_frames, frames)):
        if lengths.shape != (batch,) or not bool(((lengths >= 1) & (lengths <= most)).all()):
            raise ValueError(f"{name} is {lengths.tolist()}, expected {batch} numbers from 1 to {most}")
    if bool((num_phonemes > num_frames).any()):
        item = int((num_phonemes > num_frames).nonzero()[0])
        raise ValueError(
            f"item {item} has {int(num_phonemes[item])} phonemes in {int(num_frames[item])} frames, expected "
            "a frame for each at least"
        )
    search = require("monotonic_alignment_search", "audio")
    with torch.no_grad():
        device = log_likelihood.device
        is_phoneme = torch.arange(phonemes, device=device) < num_phonemes.to(device)[:, None]
        is_frame = torch.arange(frames, device=device) < num_frames.to(device)[:, None]
        mask = is_phoneme[:, :, None] & is_frame[:, None]
        value = log_likelihood.float().masked_fill(~mask, 0.0)
        if not bool(value.isfinite().all()):
            raise ValueError("log_likelihood holds NaN or infinity, expected finite numbers")
        path = search.maximum_path(value, mask.float())
        return path.sum(dim=2).long()
