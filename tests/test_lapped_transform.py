from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from priordiff.lapped_transform import inverse_mdct, mdct

HOPS = st.sampled_from([2, 4, 6, 10, 16])
BLOCKS = st.integers(1, 6)


def basis(blocks: int, hop_length: int) -> Tensor:
    """The transform as a matrix: coefficients = matrix @ signal."""
    size = blocks * hop_length
    return mdct(torch.eye(size, dtype=torch.float64), hop_length).reshape(size, size).T


def textbook_block(x: Tensor, block: int, hop_length: int) -> Tensor:
    """The MDCT of one block as Princen, Johnson and Bradley define it, with the sine window."""
    n = torch.arange(2 * hop_length, dtype=torch.float64)
    k = torch.arange(hop_length, dtype=torch.float64)[:, None]
    window = torch.sin(math.pi / (2 * hop_length) * (n + 0.5))
    start = block * hop_length - hop_length // 2
    phase = math.pi / hop_length * (n + 0.5 - hop_length / 2) * (k + 0.5)
    return math.sqrt(2 / hop_length) * torch.cos(phase) @ (window * x[start : start + 2 * hop_length])


@given(blocks=BLOCKS, hop_length=HOPS)
@settings(deadline=None)
def test_the_basis_is_orthonormal(blocks: int, hop_length: int) -> None:
    matrix = basis(blocks, hop_length)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix), dtype=torch.float64))


@given(blocks=st.integers(3, 7), hop_length=HOPS, seed=st.integers(0, 1000))
@settings(deadline=None)
def test_inner_blocks_are_those_of_the_textbook(blocks: int, hop_length: int, seed: int) -> None:
    x = torch.randn(blocks * hop_length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    coefficients = mdct(x, hop_length)
    for block in range(1, blocks - 1):
        torch.testing.assert_close(coefficients[block], textbook_block(x, block, hop_length))


def test_one_block_alone_is_a_dct_iv() -> None:
    x = torch.randn(8, dtype=torch.float64)
    index = torch.arange(8, dtype=torch.float64) + 0.5
    matrix = math.sqrt(2 / 8) * torch.cos(math.pi / 8 * index * index[:, None])
    torch.testing.assert_close(mdct(x, 8)[0], matrix @ x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("blocks", [1, 2, 3, 40])
@pytest.mark.parametrize("hop_length", [2, 6, 256, 300])
def test_the_inverse_gives_back_every_sample(hop_length: int, blocks: int, dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, blocks * hop_length, dtype=dtype)
    coefficients = mdct(x, hop_length)
    assert coefficients.shape == (2, 3, blocks, hop_length)
    assert coefficients.dtype == dtype
    torch.testing.assert_close(
        inverse_mdct(coefficients), x, atol=1e-5 if dtype == torch.float32 else 1e-12, rtol=0
    )
    torch.testing.assert_close(mdct(inverse_mdct(coefficients), hop_length), coefficients, atol=1e-5, rtol=0)


def test_the_inverse_is_the_transpose() -> None:
    x, y = torch.randn(48, dtype=torch.float64), torch.randn(4, 12, dtype=torch.float64)
    torch.testing.assert_close((mdct(x, 12) * y).sum(), (x * inverse_mdct(y)).sum())


@pytest.mark.parametrize("k", [3, 17, 50])
def test_a_coefficient_responds_to_its_frequency(k: int) -> None:
    hop_length, blocks = 64, 9
    time = torch.arange(blocks * hop_length, dtype=torch.float64)
    energy = sum(
        mdct(torch.cos(math.pi / hop_length * (k + 0.5) * time + phase), hop_length).square()
        for phase in (0.0, math.pi / 2)
    )
    assert (energy[1:-1].argmax(dim=-1) == k).all()


def test_a_sample_reaches_its_own_block_and_one_neighbour() -> None:
    coefficients = mdct(torch.eye(40, dtype=torch.float64), 8)
    reached = coefficients.abs().amax(dim=-1) > 1e-12
    assert reached[9].tolist() == [True, True, False, False, False]
    assert reached[14].tolist() == [False, True, True, False, False]
    assert reached[0].tolist() == [True, False, False, False, False]


def test_gradients_pass_both_ways() -> None:
    x = torch.randn(2, 12, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: mdct(x, 4), x)
    assert torch.autograd.gradcheck(inverse_mdct, mdct(x, 4).detach().requires_grad_())


@pytest.mark.parametrize("hop_length", [0, -2, 3])
def test_a_hop_that_is_not_positive_and_even_is_an_error(hop_length: int) -> None:
    with pytest.raises(ValueError, match=f"hop_length={hop_length} must be a positive even number"):
        mdct(torch.zeros(12), hop_length)


def test_an_odd_hop_of_coefficients_is_an_error() -> None:
    with pytest.raises(ValueError, match="hop_length=3 must be a positive even number"):
        inverse_mdct(torch.zeros(4, 3))


def test_a_length_that_the_hop_does_not_divide_is_an_error() -> None:
    with pytest.raises(ValueError, match="length 13 is not a multiple of hop_length=4"):
        mdct(torch.zeros(2, 13), 4)
