from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from priordiff.priors import inverse_tight_stft, tight_stft
from tests.priors.cases import random

# Window and hop, which divides it two to six times; even and odd hops.
WINDOWS = st.sampled_from([(2, 1), (8, 4), (8, 2), (12, 3), (12, 2), (6, 3), (64, 16)])


@given(window=WINDOWS, frames=st.integers(1, 9), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_it_gives_back_every_sample_up_to_both_ends(window: tuple[int, int], frames: int, seed: int) -> None:
    window_length, hop_length = window
    x = random(2, frames * hop_length, seed=seed)
    coefficients = tight_stft(x, window_length, hop_length)
    assert coefficients.shape == (2, frames, window_length // 2 + 1)
    torch.testing.assert_close(inverse_tight_stft(coefficients, hop_length), x, rtol=0, atol=1e-13)


@given(window=WINDOWS, frames=st.integers(1, 9), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_the_inverse_is_the_transpose(window: tuple[int, int], frames: int, seed: int) -> None:
    window_length, hop_length = window
    x, y = random(frames * hop_length, seed=seed), random(frames, window_length, seed=seed)
    spectrum = torch.fft.rfft(y, norm="ortho")
    # The inner product over all frequencies, of which each inner bin stands for two.
    count = torch.full((window_length // 2 + 1,), 2.0)
    count[0] = count[-1] = 1
    product = (count * (tight_stft(x, window_length, hop_length) * spectrum.conj()).real).sum()
    torch.testing.assert_close(product, (x * inverse_tight_stft(spectrum, hop_length)).sum())


def test_its_frames_are_those_of_a_signal_padded_like_that_of_a_mel_spectrogram() -> None:
    x, window_length, hop_length = random(64), 16, 4
    half = (window_length - hop_length) // 2
    window = torch.sin(torch.pi / window_length * (torch.arange(window_length, dtype=torch.float64) + 0.5))
    expected = torch.stft(
        F.pad(x, (half, half)),
        window_length,
        hop_length,
        window=window / (window_length / hop_length / 2) ** 0.5,
        center=False,
        normalized=True,
        return_complex=True,
    ).T
    coefficients = tight_stft(x, window_length, hop_length)
    assert coefficients.shape == expected.shape
    torch.testing.assert_close(coefficients[3:-3], expected[3:-3])


def test_gradients_pass_both_ways() -> None:
    x = random(2, 12).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: torch.view_as_real(tight_stft(x, 8, 4)), x)
    coefficients = tight_stft(x, 8, 4).detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda c: inverse_tight_stft(c, 4), coefficients)


@pytest.mark.parametrize(("window_length", "hop_length"), [(8, 8), (8, 3), (9, 3), (8, 0), (0, 1), (8, -4)])
def test_a_window_that_does_not_suit_the_hop_is_an_error(window_length: int, hop_length: int) -> None:
    with pytest.raises(
        ValueError, match=f"window_length={window_length} and hop_length={hop_length}: the window"
    ):
        tight_stft(torch.zeros(24), window_length, hop_length)


def test_coefficients_that_do_not_suit_the_hop_are_an_error() -> None:
    with pytest.raises(ValueError, match="window_length=8 and hop_length=3"):
        inverse_tight_stft(torch.zeros(4, 5, dtype=torch.complex64), 3)


def test_a_length_that_the_hop_does_not_divide_is_an_error() -> None:
    with pytest.raises(ValueError, match="length 13 is not a multiple of hop_length=4"):
        tight_stft(torch.zeros(2, 13), 8, 4)
