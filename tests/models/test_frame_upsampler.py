from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from priordiff.models.frame_upsampler import FrameUpsampler


@pytest.mark.parametrize("stride", [1, 2, 7, 9, 12, 256])
def test_it_is_two_transposed_convolutions(stride: int) -> None:
    torch.manual_seed(0)
    upsampler, frames = FrameUpsampler(stride).double(), torch.randn(2, 5, 6).double()
    expected = frames[:, None]
    for conv, times in zip(upsampler.convs, upsampler.strides, strict=True):
        expected = F.leaky_relu(conv(expected)[..., : expected.shape[-1] * times], 0.4)
    torch.testing.assert_close(upsampler(frames)[:, :, 0], expected[:, 0])
    assert upsampler(frames).is_contiguous(memory_format=torch.channels_last)
