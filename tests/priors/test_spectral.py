from __future__ import annotations

import copy
import pickle
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from priordiff import DiagonalPrior, SpectralPrior
from tests.priors.cases import positive, random

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=3)


def power_of_real_data(*shape: int, dims: list[int], seed: int = 0) -> Tensor:
    """A power spectrum of data of a given shape, with the symmetries that real data have."""
    return torch.fft.rfftn(random(*shape, seed=seed), dim=dims).abs().square() + 0.1


def matrix(prior: SpectralPrior, event_shape: tuple[int, ...]) -> Tensor:
    """L, over flattened events."""
    size = torch.Size(event_shape).numel()
    return prior.color(torch.eye(size, dtype=torch.float64).reshape(size, *event_shape)).reshape(size, size)


def test_frequencies_are_independent_with_the_given_power() -> None:
    power, count = power_of_real_data(1, 4, 6, dims=[1, 2]), 20_000
    samples = SpectralPrior(0.0, power, [1, 2]).sample((count, 4, 6), torch.Generator().manual_seed(0))
    spectrum = torch.fft.rfftn(samples, dim=[1, 2], norm="ortho") / power.sqrt()
    torch.testing.assert_close(
        spectrum.abs().square().mean(0), torch.ones(4, 4).double(), rtol=0, atol=5 * (2 / count) ** 0.5
    )


@given(event_shape=SHAPES, data=st.data())
@settings(deadline=None, max_examples=40)
def test_log_det_and_inverse_are_exact_over_any_axes(event_shape: list[int], data: st.DataObject) -> None:
    axes = data.draw(st.permutations(range(1, len(event_shape) + 1)))
    dims = axes[: data.draw(st.integers(1, len(axes)))]
    power = power_of_real_data(1, *event_shape, dims=dims, seed=data.draw(st.integers(0, 100)))
    prior = SpectralPrior(torch.zeros(1, *event_shape, dtype=torch.float64), power, dims)
    root, x = matrix(prior, tuple(event_shape)), random(3, *event_shape, seed=1)
    torch.testing.assert_close(root, root.T)
    torch.testing.assert_close(prior.log_det(), 2 * torch.linalg.slogdet(root)[1][None])
    torch.testing.assert_close(prior.whiten(prior.color(x)), x)
    torch.testing.assert_close(prior.color(prior.whiten(x)), x)


@given(length=st.integers(1, 17))
def test_the_covariance_is_circulant(length: int) -> None:
    power = positive(1, length // 2 + 1)
    root = matrix(SpectralPrior(torch.zeros(1, length).double(), power, [1]), (length,))
    covariance = root @ root.T
    torch.testing.assert_close(covariance.roll((1, 1), (0, 1)), covariance)
    eigenvalues = torch.fft.fft(covariance[0]).real[: length // 2 + 1]
    torch.testing.assert_close(eigenvalues, power[0])


@pytest.mark.parametrize("dims", [[-1], [1, 2], [2, 1], [1]])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_power_of_one_changes_no_bit(dims: list[int], dtype: torch.dtype) -> None:
    x = torch.randn(3, 5, 6, dtype=dtype)
    prior = SpectralPrior(torch.zeros(1, 5, 6, dtype=dtype), torch.ones(1, 1, 1, dtype=dtype), dims)
    for operation in (prior.color, prior.whiten):
        assert torch.equal(operation(x), x)
        assert operation(x).dtype == dtype


def test_a_constant_power_is_the_isotropic_prior() -> None:
    power, x = torch.full((1, 1, 6), 0.25, dtype=torch.float64), random(2, 3, 10)
    prior, isotropic = SpectralPrior(0.0, power, [2]), DiagonalPrior(0.0, torch.tensor(0.5).double())
    torch.testing.assert_close(prior.log_prob(x), isotropic.log_prob(x))


@pytest.mark.parametrize("length", [2, 3, 8, 9])
def test_data_of_even_and_of_odd_length_have_as_many_bins(length: int) -> None:
    prior, x = SpectralPrior(0.0, positive(2, 1, length // 2 + 1), [-1]), random(2, 3, length)
    known = SpectralPrior(torch.zeros(1, 3, length).double(), prior.power, [-1])
    assert prior.event_shape == (1, length // 2 * 2)
    assert known.event_shape == (3, length)
    torch.testing.assert_close(prior.whiten(prior.color(x)), x)
    torch.testing.assert_close(prior.log_prob(x), known.log_prob(x))
    other = DiagonalPrior(0.0, positive(2, 3, length))
    torch.testing.assert_close(prior.kl_divergence(other), known.kl_divergence(other))
    torch.testing.assert_close(other.kl_divergence(prior), other.kl_divergence(known))


def test_a_length_with_another_number_of_bins_is_an_error() -> None:
    for length in (7, 10):
        with pytest.raises(ValueError, match=rf"\(1, 8\).* \(2, 3, {length}\)"):
            SpectralPrior(0.0, positive(2, 1, 5), [-1]).color(random(2, 3, length))
    with pytest.raises(ValueError, match=r"\(1, 9\).* \(2, 1, 8\)"):
        SpectralPrior(torch.zeros(1, 1, 9), torch.ones(2, 1, 5), [-1]).color(random(2, 1, 8))


def test_the_divergence_of_two_spectral_priors_needs_no_loop_over_dimensions() -> None:
    powers = [power_of_real_data(2, 4, 5, dims=[1, 2], seed=seed) for seed in (0, 1)]
    prior, other = (SpectralPrior(random(2, 4, 5), power, [1, 2]) for power in powers)
    closed, general = prior.kl_divergence(other), super(SpectralPrior, prior)._trace_ratio(other, (4, 5))
    torch.testing.assert_close(prior._trace_ratio(other, torch.Size((4, 5))), general)
    assert (closed > 0).all()


def test_rounding_errors_of_a_mirror_image_are_averaged_away() -> None:
    power = torch.ones(1, 4, 3, dtype=torch.float64)
    power[0, 1, 0] = 1 + 1e-6
    prior, x = SpectralPrior(0.0, power, [1, 2]), random(1, 4, 4)
    torch.testing.assert_close(prior.whiten(prior.color(x)), x, rtol=0, atol=1e-14)
    torch.testing.assert_close(prior.power[0, [1, 3], 0], torch.full((2,), 1 + 5e-7).double())


def test_only_bins_that_are_their_own_mirror_image_must_be_symmetric() -> None:
    power = power_of_real_data(1, 4, 5, dims=[1, 2])
    assert (power[0, 1] - power[0, 3]).abs().max() > 0.1
    SpectralPrior(torch.zeros(1, 4, 5).double(), power, [1, 2])  # an odd length has no highest bin of its own
    with pytest.raises(ValueError, match=re.escape("power[0, 1, 2] is ")):
        SpectralPrior(torch.zeros(1, 4, 4).double(), power, [1, 2])


def test_a_spectrum_of_eight_decades_has_an_exact_inverse() -> None:
    power = torch.logspace(-8, 0, 65, dtype=torch.float64)[None]
    prior, z = SpectralPrior(0.0, power, [1]), random(2, 128)
    torch.testing.assert_close(prior.whiten(prior.color(z)), z, rtol=0, atol=1e-10)


def test_gradients_reach_mean_and_power() -> None:
    x, other = random(2, 3, 4, seed=1), DiagonalPrior(random(2, 3, 4, seed=2), positive(2, 3, 4, seed=3))
    power = power_of_real_data(2, 3, 4, dims=[1, 2])
    parameters = random(2, 3, 4).requires_grad_(), power.requires_grad_()
    for function in (
        lambda prior: prior.sample((2, 3, 4), torch.Generator().manual_seed(0)),
        lambda prior: prior.whiten(x),
        lambda prior: prior.log_prob(x),
        lambda prior: prior.kl_divergence(other),
        lambda prior: other.kl_divergence(prior),
    ):
        assert torch.autograd.gradcheck(
            lambda mean, power, f=function: f(SpectralPrior(mean, power, [1, 2])), parameters
        )


def test_gradients_reach_what_is_coloured_and_whitened() -> None:
    prior = SpectralPrior(0.0, positive(2, 1, 3), [-1])
    x = random(2, 2, 5).requires_grad_()
    assert torch.autograd.gradcheck(prior.color, x)
    assert torch.autograd.gradcheck(prior.whiten, x)


def test_a_prior_with_a_power_to_learn_can_be_copied() -> None:
    prior = SpectralPrior(0.0, torch.ones(2, 4, 3, requires_grad=True), [1, 2])
    assert copy.deepcopy(prior).power.requires_grad
    pickled = pickle.loads(pickle.dumps(prior))
    assert pickled.dims == (1, 2)
    assert pickled.log_det((4, 5)).shape == (2,)


@pytest.mark.parametrize(
    ("mean", "power", "dims", "message"),
    [
        (
            0.0,
            torch.tensor([[1.0, -0.5, 2.0]]),
            [1],
            "power (the eigenvalues of Σ) must be positive everywhere, its smallest value in torch.float32 "
            "is -0.5",
        ),
        (0.0, torch.ones(1, 3, dtype=torch.int64), [1], "power has dtype torch.int64"),
        (0.0, torch.full((1, 3), float("inf")), [1], "power holds 3 NaN or infinite values"),
        (
            0.0,
            torch.ones(1, 3),
            [0],
            "dims=[0] must be different axes of data with 2 dimensions, without axis 0",
        ),
        (0.0, torch.ones(1, 3), [2], "dims=[2] must be different axes of data with 2 dimensions"),
        (0.0, torch.ones(1, 3), [1, -1], "dims=[1, -1] must be different axes of data with 2 dimensions"),
        (0.0, torch.ones(1, 3), [], "dims=[] names no axis"),
        (torch.zeros(1, 6), torch.ones(1, 3), [1], "mean of shape (1, 6) and power for data of shape (1, 4)"),
        (torch.zeros(3), torch.ones(1, 3), [1], "mean has shape (3,) and power is for data of shape (1, 4)"),
        (
            0.0,
            torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1),
            [1, 2],
            "power[0, 1, 0] is 2 and at the negative frequency 3: real data have p(k) = p(-k) in the lowest "
            "and highest bin of axis 2",
        ),
    ],
)
def test_bad_parameters_are_an_error_in_one_line(
    mean: object, power: Tensor, dims: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        SpectralPrior(mean, power, dims)
    assert "\n" not in str(error.value)


def test_a_power_that_vanishes_in_a_smaller_dtype_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"smallest value in torch.float16 is 0"):
        SpectralPrior(0.0, torch.full((1, 2), 1e-30), [1]).to(torch.float16)
