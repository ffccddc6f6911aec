from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from priordiff.priors import inverse_tight_stft, tight_stft
from priordiff.priors.stft_determinant import stft_log_det
from tests.priors.cases import positive


@given(
    window=st.sampled_from([(2, 1), (8, 4), (8, 2), (12, 3), (12, 2), (6, 3)]),
    frames=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=25)
def test_it_is_that_of_the_matrix(window: tuple[int, int], frames: int, seed: int) -> None:
    window_length, hop_length = window
    gain = positive(2, 3, frames, window_length // 2 + 1, seed=seed)
    units = torch.eye(frames * hop_length, dtype=torch.float64)
    coefficients = gain[:, :, None] * tight_stft(units, window_length, hop_length)
    matrix = inverse_tight_stft(coefficients, hop_length)
    torch.testing.assert_close(stft_log_det(gain, hop_length), torch.linalg.slogdet(matrix)[1])


def test_a_constant_gain_counts_once_for_every_sample() -> None:
    gain = torch.full((1, 40, 17), 0.1, dtype=torch.float64)
    torch.testing.assert_close(
        stft_log_det(gain, 8), 40 * 8 * torch.tensor([0.1]).double().log(), rtol=1e-6, atol=0
    )


def test_gradients_reach_the_gain() -> None:
    assert torch.autograd.gradcheck(lambda gain: stft_log_det(gain, 2), positive(2, 4, 4).requires_grad_())


def test_a_range_beyond_the_precision_is_an_error() -> None:
    gain = torch.full((1, 6, 9), 1e-12)
    gain[:, :, 0] = 1.0
    message = r"the determinant of a gain from 1e-12 to 1 is beyond the precision of torch.float32"
    with pytest.raises(ValueError, match=message):
        stft_log_det(gain, 4)
