"""What holds for every covariance structure."""

from __future__ import annotations

import re
from itertools import product

import pytest
import torch

from priordiff import DiagonalPrior, GaussianPrior, LappedPrior, LowRankPrior
from tests.priors.cases import EVENT, PRIORS, MakePrior, dense, positive, random

STRUCTURES = ["diagonal", "lapped", "spectral", "stft", "kronecker", "dense", "low rank"]
OTHERS = ["diagonal", "diagonal, std for one", "isotropic", "lapped", "lapped, mean for one"]


def test_color_and_whiten_are_inverse(prior: GaussianPrior) -> None:
    z = random(3, *EVENT, seed=1)
    torch.testing.assert_close(prior.whiten(prior.color(z)), z)
    torch.testing.assert_close(prior.color(prior.whiten(z)), z)


def test_color_and_whiten_are_linear_whatever_the_mean(prior: GaussianPrior) -> None:
    z, y = random(3, *EVENT, seed=1), random(3, *EVENT, seed=2)
    for operation in (prior.color, prior.whiten):
        torch.testing.assert_close(operation(2 * z + y), 2 * operation(z) + operation(y))


@pytest.mark.parametrize("batch", [1, 3])
def test_log_det_is_that_of_the_covariance_matrix(make_prior: MakePrior, batch: int) -> None:
    prior = make_prior(batch)
    log_det = prior.log_det(EVENT)
    assert log_det.shape == (prior.batch_size,)
    torch.testing.assert_close(log_det.expand(batch), 2 * torch.linalg.slogdet(dense(prior, batch).root)[1])


@pytest.mark.parametrize("name", PRIORS)
def test_log_det_is_of_the_priors_own_event_if_none_is_given(name: str) -> None:
    prior = PRIORS[name](3)
    if prior.event_shape == EVENT:
        assert torch.equal(prior.log_det(), prior.log_det(EVENT))
    else:
        scale = EVENT[0] * EVENT[1] / prior.event_shape.numel()
        torch.testing.assert_close(prior.log_det() * scale, prior.log_det(EVENT))


@pytest.mark.parametrize("batch", [1, 3])
def test_the_variance_is_the_diagonal_of_the_covariance_matrix(make_prior: MakePrior, batch: int) -> None:
    prior = make_prior(batch)
    variance = prior.variance(EVENT)
    assert variance.shape == (prior.batch_size, *EVENT)
    torch.testing.assert_close(
        variance.expand(batch, *EVENT).reshape(batch, -1), dense(prior, batch).gaussian.variance
    )


def test_the_variance_is_of_the_priors_own_event_if_none_is_given() -> None:
    assert torch.equal(DiagonalPrior(0.0, torch.tensor([[2.0, 3.0]])).variance(), torch.tensor([[4.0, 9.0]]))
    with pytest.raises(ValueError, match=r"does not fit data of shape \(1, 3\)"):
        DiagonalPrior(0.0, torch.ones(1, 2)).variance((3,))


def test_mahalanobis_is_that_of_the_covariance_matrix(prior: GaussianPrior) -> None:
    r = random(3, *EVENT, seed=1)
    white = torch.linalg.solve(dense(prior, 3).root, r.reshape(3, -1, 1))
    torch.testing.assert_close(prior.mahalanobis(r), white.square().sum((1, 2)))


@pytest.mark.parametrize("batch", [1, 3])
def test_log_prob_is_that_of_torch(make_prior: MakePrior, batch: int) -> None:
    prior, x = make_prior(batch), random(batch, *EVENT, seed=1)
    expected = dense(prior, batch).gaussian.log_prob(x.reshape(batch, -1))
    torch.testing.assert_close(prior.log_prob(x), expected)


def test_one_gaussian_gives_the_log_prob_of_many_items(make_prior: MakePrior) -> None:
    prior, x = make_prior(1), random(5, *EVENT, seed=1)
    each = torch.cat([prior.log_prob(item[None]) for item in x])
    torch.testing.assert_close(prior.log_prob(x), each)


@pytest.mark.parametrize(("first", "second"), list(product(PRIORS, OTHERS)))
@pytest.mark.parametrize("batches", [(3, 3), (1, 3), (3, 1)], ids=str)
def test_kl_divergence_is_that_of_torch(first: str, second: str, batches: tuple[int, int]) -> None:
    prior, other = PRIORS[first](batches[0]), PRIORS[second](batches[1])
    batch = max(prior.batch_size, other.batch_size)
    divergence = prior.kl_divergence(other)
    assert divergence.shape == (batch,)
    if EVENT not in (prior.event_shape, other.event_shape):
        # Neither knows how large the event is; two constants over it differ by a factor from what it holds.
        event_shape = torch.broadcast_shapes(prior.event_shape, other.event_shape)
        divergence = divergence * (EVENT[0] * EVENT[1] / event_shape.numel())
    expected = torch.distributions.kl_divergence(dense(prior, batch).gaussian, dense(other, batch).gaussian)
    torch.testing.assert_close(divergence, expected)


def test_kl_divergence_from_itself_is_zero(prior: GaussianPrior) -> None:
    divergence = prior.kl_divergence(prior)
    torch.testing.assert_close(divergence, torch.zeros_like(divergence), atol=1e-12, rtol=0)


def test_samples_have_the_mean_and_the_covariance(make_prior: MakePrior) -> None:
    prior, count = make_prior(1), 40_000
    samples = prior.sample((count, *EVENT), torch.Generator().manual_seed(0)).reshape(count, -1)
    expected = dense(prior, 1).gaussian
    # Five standard deviations of what is estimated: a mean, and a product of two Gaussians.
    scale = expected.covariance_matrix.diagonal(dim1=1, dim2=2).sqrt()[0]
    assert ((samples.mean(0) - expected.mean[0]).abs() < 5 * scale / count**0.5).all()
    error = (samples.T.cov() - expected.covariance_matrix[0]).abs()
    assert (error < 5 * 2**0.5 * scale[:, None] * scale / count**0.5).all()


def test_each_item_is_sampled_from_its_own_gaussian(prior: GaussianPrior) -> None:
    sample = prior.sample((3, *EVENT), torch.Generator().manual_seed(0))
    white = random(3, *EVENT, seed=0)
    torch.testing.assert_close(sample, prior.mean + prior.color(white))
    torch.testing.assert_close(prior.whiten(sample - prior.mean), white)


def test_a_generator_makes_samples_repeatable(prior: GaussianPrior) -> None:
    first, again, other = (
        prior.sample((3, *EVENT), torch.Generator().manual_seed(seed)) for seed in (7, 7, 8)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_everything_works_in_the_priors_dtype(make_prior: MakePrior, dtype: torch.dtype) -> None:
    exact, prior = make_prior(3), make_prior(3).to(dtype)
    x = random(3, *EVENT, seed=1)
    tolerance = {"rtol": 0.1, "atol": 0.1} if dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-4}
    values = {
        "sample": (prior.sample((3, *EVENT)), None),
        "color": (prior.color(x.to(dtype)), exact.color(x)),
        "whiten": (prior.whiten(x.to(dtype)), exact.whiten(x)),
        "log_det": (prior.log_det(EVENT), exact.log_det(EVENT)),
        "log_prob": (prior.log_prob(x.to(dtype)), exact.log_prob(x)),
    }
    for name, (value, expected) in values.items():
        assert value.dtype == dtype, name
        if expected is not None:
            torch.testing.assert_close(value.double(), expected, **tolerance)
    assert prior.kl_divergence(prior).dtype == dtype


def test_autocast_rounds_nothing(make_prior: MakePrior) -> None:
    prior, x = make_prior(3).to(torch.float32), torch.randn(3, *EVENT)

    def values() -> list[torch.Tensor]:
        return [prior.color(x), prior.whiten(x), prior.log_det(EVENT), prior.kl_divergence(prior)]

    expected = values()
    with torch.autocast("cpu", torch.bfloat16):
        for value, exact in zip(values(), expected, strict=True):
            assert torch.equal(value, exact)


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_rough_prior_still_has_an_exact_inverse(name: str) -> None:
    prior, z = PRIORS[name](3).to(torch.bfloat16), random(3, *EVENT, seed=1)
    assert prior.color(z).dtype == torch.float64
    torch.testing.assert_close(prior.whiten(prior.color(z)), z, rtol=0, atol=1e-6)


def test_a_sample_has_the_dtype_that_is_asked_for(prior: GaussianPrior) -> None:
    assert prior.sample((3, *EVENT)).dtype == torch.float64
    assert prior.sample((3, *EVENT), dtype=torch.float32, device="cpu").dtype == torch.float32


def test_a_shifted_prior_has_the_covariance_and_another_mean(prior: GaussianPrior) -> None:
    batch = prior.batch_size
    offset, noise = random(batch, *EVENT, seed=2), random(batch, *EVENT, seed=3)
    shifted = prior.shifted(offset)
    torch.testing.assert_close(shifted.to_data(noise), prior.to_data(noise) + offset)
    torch.testing.assert_close(shifted.log_prob(noise), prior.log_prob(noise - offset))


def test_one_covariance_about_many_means_is_a_batch() -> None:
    prior = LowRankPrior(0.0, 1.0, random(16, 2)).shifted(random(5, *EVENT))
    assert prior.batch_size == 5
    assert prior.sample((5, *EVENT)).shape == (5, *EVENT)
    with pytest.raises(ValueError, match="offset holds 1 NaN"):
        prior.shifted(float("nan"))


@pytest.mark.parametrize("structure", ["diagonal", "lapped"])
def test_gradients_reach_mean_and_std(structure: str) -> None:
    x, other = random(2, 1, 4, seed=1), DiagonalPrior(random(2, 1, 4, seed=2), positive(2, 1, 4, seed=3))

    def make(mean: torch.Tensor, std: torch.Tensor) -> GaussianPrior:
        return DiagonalPrior(mean, std) if structure == "diagonal" else LappedPrior(mean, std[:, None], 2)

    parameters = (
        random(2, 1, 4).requires_grad_(),
        (positive(2, 1, 4) if structure == "diagonal" else positive(2, 2, 2)).requires_grad_(),
    )
    for function in (
        lambda mean, std: make(mean, std).sample((2, 1, 4), torch.Generator().manual_seed(0)),
        lambda mean, std: make(mean, std).log_prob(x),
        lambda mean, std: make(mean, std).kl_divergence(other),
        lambda mean, std: other.kl_divergence(make(mean, std)),
    ):
        assert torch.autograd.gradcheck(function, parameters)


@pytest.mark.parametrize("name", [name for name in PRIORS if name != "isotropic"])
@pytest.mark.parametrize("shape", [(2, 2, 8), (3, 8), (3, 2, 8, 1), (8,), ()], ids=str)
def test_data_of_another_shape_are_an_error_that_names_both(name: str, shape: tuple[int, ...]) -> None:
    prior = PRIORS[name](3)
    own, theirs = (re.escape(str(sizes)) for sizes in (tuple(prior.event_shape), shape))
    expected = rf"3 Gaussians over events of shape {own}.* {theirs}"
    for operation in (prior.color, prior.whiten, prior.mahalanobis, prior.log_prob):
        with pytest.raises(ValueError, match=expected):
            operation(torch.zeros(shape, dtype=torch.float64))
    with pytest.raises(ValueError, match=expected):
        prior.sample(shape)


def test_an_event_that_the_data_would_broadcast_over_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(2, 8\).* \(3, 1, 1\)"):
        PRIORS["diagonal"](3).log_prob(torch.zeros(3, 1, 1, dtype=torch.float64))
    with pytest.raises(ValueError, match="3 Gaussians"):
        PRIORS["diagonal"](3).log_prob(torch.zeros(1, 2, 8, dtype=torch.float64))


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_log_det_of_an_event_that_does_not_fit_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=r"\(2, 8\).* \(3, 2, 12\)"):
        PRIORS[name](3).log_det((2, 12))


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("shape", [(2, 2, 8), (3, 2, 7), (3, 8), (3,)], ids=str)
def test_priors_over_different_events_have_no_divergence(name: str, shape: tuple[int, ...]) -> None:
    prior, other = PRIORS[name](3), DiagonalPrior(0.0, positive(*shape))
    sizes = rf"3 Gaussians over events of shape \(2, 8\).* {shape[0]} Gaussians over events of shape "
    with pytest.raises(ValueError, match=sizes + re.escape(str(shape[1:]))):
        prior.kl_divergence(other)
    with pytest.raises(ValueError, match=r"over events of shape \(2, 8\)"):
        other.kl_divergence(prior)


def test_a_structure_of_ones_own_is_a_mean_a_shape_and_three_methods() -> None:
    class Permuted(GaussianPrior):
        """Σ = P diag(σ²) Pᵀ."""

        def __init__(self, std: torch.Tensor) -> None:
            self.mean, self.std, self.event_shape = torch.zeros(()).to(std), std, std.shape[1:]

        def color(self, z: torch.Tensor) -> torch.Tensor:
            return (self.std * z).flip(-1)

        def whiten(self, r: torch.Tensor) -> torch.Tensor:
            return r.flip(-1) / self.std

        def log_det(self, event_shape: object = None) -> torch.Tensor:
            return 2 * self.std.log().sum(-1)

    prior, x = Permuted(positive(3, 8)), random(3, 8, seed=4)
    same = DiagonalPrior(0.0, positive(3, 8).flip(-1))
    torch.testing.assert_close(prior.log_prob(x), same.log_prob(x))
    torch.testing.assert_close(prior.kl_divergence(same), torch.zeros(3).double(), atol=1e-12, rtol=0)
    assert prior.to(torch.float32).repeat_interleave(2).sample((6, 8)).dtype == torch.float32
