"""From phonemes to frames."""

from __future__ import annotations

import torch
from torch import Tensor

from priordiff.value_checks import values_are_checked

__all__ = ["frame_mask", "phoneme_of_frame", "to_frames"]


def phoneme_of_frame(durations: Tensor, num_frames: int | None = None) -> Tensor:
    """Which phoneme sounds in each frame.

    Args:
        durations: of the phonemes in frames, int (batch, phonemes), 0 for padding.
        num_frames: of the result; by default as many as the longest item has, for which the durations have to
            be looked at.

    Returns:
        Indices (batch, frames), int64; those of frames beyond an item's end are that of its last phoneme.

    Raises:
        ValueError: if a duration is negative, or all are 0.

    Example:
        >>> phoneme_of_frame(torch.tensor([[2, 0, 1], [1, 1, 0]])).tolist()
        [[0, 0, 2], [0, 1, 1]]
    """
    if values_are_checked() and bool((durations < 0).any()):
        raise ValueError(f"a duration is {int(durations.min())} frames, expected at least 0")
    ends = durations.cumsum(dim=1)
    if num_frames is None or values_are_checked():
        longest = int(ends[:, -1].max())
        if longest == 0:
            raise ValueError("all durations are 0 frames, expected a phoneme that lasts")
        num_frames = longest if num_frames is None else num_frames
    frames = torch.arange(num_frames, device=durations.device)
    indices = torch.searchsorted(ends, frames.expand(len(ends), -1).contiguous(), right=True)
    last = (ends < ends[:, -1:]).sum(dim=1, keepdim=True)
    return torch.minimum(indices, last)


def frame_mask(durations: Tensor, num_frames: int | None = None) -> Tensor:
    """True where a frame is no padding, (batch, frames); arguments as of `phoneme_of_frame`."""
    lengths = durations.sum(dim=1, keepdim=True)
    longest = int(lengths.max()) if num_frames is None else num_frames
    return torch.arange(longest, device=durations.device) < lengths


def to_frames(of_phonemes: Tensor, durations: Tensor, num_frames: int | None = None) -> Tensor:
    """Repeats what each phoneme has for as many frames as it lasts (the length regulator of FastSpeech).

    Args:
        of_phonemes: (batch, phonemes, …).
        durations: as of `phoneme_of_frame`.
        num_frames: likewise.

    Returns:
        (batch, frames, …); zero in the padding.

    Example:
        >>> to_frames(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1, 2], [1, 0]])).tolist()
        [[1.0, 2.0, 2.0], [3.0, 0.0, 0.0]]
    """
    if of_phonemes.shape[:2] != durations.shape:
        raise ValueError(
            f"of_phonemes has shape {tuple(of_phonemes.shape)}, expected to begin with "
            f"{tuple(durations.shape)} as the durations"
        )
    indices = phoneme_of_frame(durations, num_frames)
    batch = torch.arange(len(durations), device=durations.device)[:, None]
    mask = frame_mask(durations, num_frames)
    frames = of_phonemes[batch, indices]
    return frames * mask.reshape(*mask.shape, *(1 for _ in frames.shape[2:])).to(frames.dtype)
