from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from priordiff import DensePrior, DiagonalPrior, GaussianPrior, LappedPrior, LowRankPrior, MaskedPrior
from tests.priors.cases import EVENT, PRIORS, covariance, dense, positive, random

SIZE = 16
STRUCTURES = [name for name in PRIORS if name.startswith(("diagonal", "isotropic", "low rank", "dense"))]
MASKS = {
    "padding at the end": torch.arange(8) < torch.tensor([3, 8, 0])[:, None, None],
    "padding at the start": torch.arange(8) >= torch.tensor([3, 0, 8])[:, None, None],
    "scattered": random(3, *EVENT) > 0,
    "one for all": random(1, 2, 1, seed=2) > 0,
    "whole items": torch.tensor([True, False, True])[:, None, None],
    "numbers": (random(3, *EVENT) > 0).float(),
}


def reference(prior: GaussianPrior, mask: Tensor) -> tuple[MultivariateNormal, Tensor]:
    """The masked Gaussian over flattened events, and the flattened mask."""
    kept = (mask != 0).expand(3, *EVENT).reshape(3, SIZE)
    full = dense(prior, 3).gaussian
    correlated = kept[:, :, None] & kept[:, None, :]
    matrix = torch.where(correlated, full.covariance_matrix, torch.eye(SIZE, dtype=torch.float64))
    return MultivariateNormal(torch.where(kept, full.mean, 0), matrix), kept


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_unmasked_elements_keep_their_marginal_and_the_rest_is_standard(name: str, mask: Tensor) -> None:
    prior, x = PRIORS[name](3), random(3, *EVENT, seed=4)
    masked, (expected, kept) = MaskedPrior(prior, mask), reference(prior, mask)
    assert type(masked) is type(prior)
    torch.testing.assert_close(masked.log_prob(x), expected.log_prob(x.reshape(3, SIZE)))
    torch.testing.assert_close(dense(masked, 3).gaussian.covariance_matrix, expected.covariance_matrix)
    torch.testing.assert_close(masked.whiten(masked.color(x)), x)
    for operation in (masked.color, masked.whiten):
        outside = operation(x).reshape(3, SIZE)[~kept]
        torch.testing.assert_close(outside, x.reshape(3, SIZE)[~kept], rtol=0, atol=1e-14)
    assert not masked.mean.expand(3, *EVENT).reshape(3, SIZE)[~kept].any()


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_mask_that_keeps_all_changes_nothing(name: str) -> None:
    prior, x = PRIORS[name](3), random(3, *EVENT, seed=4)
    masked = MaskedPrior(prior, torch.ones(3, *EVENT, dtype=torch.bool))
    torch.testing.assert_close(masked.color(x), prior.color(x))
    torch.testing.assert_close(masked.log_prob(x), prior.log_prob(x))


@pytest.mark.parametrize(
    "prior",
    [
        DensePrior(0.5, covariance(3, SIZE, SIZE)),
        DensePrior(random(3, 1, 1), covariance(SIZE, SIZE)),
        LowRankPrior(0.5, 0.3, random(3, SIZE, 2)),
        LowRankPrior(0.5, positive(1, 1, 8), random(SIZE, 2)),
    ],
    ids=["dense", "dense for one", "low rank", "low rank for one"],
)
@pytest.mark.parametrize("mask", ["padding at the end", "scattered"])
def test_a_mask_says_how_the_elements_of_an_event_are_arranged(prior: GaussianPrior, mask: str) -> None:
    masked, x = MaskedPrior(prior, MASKS[mask]), random(3, *EVENT, seed=4)
    assert masked.event_shape == EVENT
    expected, _ = reference(prior, MASKS[mask])
    torch.testing.assert_close(masked.log_prob(x), expected.log_prob(x.reshape(3, SIZE)))


def test_an_item_is_treated_as_if_it_were_alone() -> None:
    mean, matrix = random(2, 8), covariance(2, 8, 8)
    x = random(2, 8, seed=1)
    masked = MaskedPrior(DensePrior(mean, matrix), torch.arange(8) < torch.tensor([5, 8])[:, None])
    alone = DensePrior(mean[:1, :5], matrix[:1, :5, :5])
    padding = DiagonalPrior(0.0, torch.tensor(1.0).double())
    torch.testing.assert_close(masked.color(x)[:1, :5], alone.color(x[:1, :5]))
    torch.testing.assert_close(
        masked.log_prob(x)[:1], alone.log_prob(x[:1, :5]) + padding.log_prob(x[:1, 5:])
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda mean, scale: DiagonalPrior(mean, 1 + scale[:, 0].square()),
        lambda mean, scale: LowRankPrior(mean, 1 + scale[:, 0].square(), scale.mT[:, :, :2]),
        lambda mean, scale: DensePrior(mean, scale @ scale.mT + torch.eye(4)),
    ],
    ids=["diagonal", "low rank", "dense"],
)
def test_gradients_reach_what_is_not_masked_alone(make: Callable[..., GaussianPrior]) -> None:
    mask, x = torch.arange(4) < torch.tensor([2, 3])[:, None], random(2, 4, seed=1)
    parameters = [random(2, 4).requires_grad_(), random(2, 4, 4, seed=2).requires_grad_()]

    def log_prob(mean: Tensor, scale: Tensor) -> Tensor:
        return MaskedPrior(make(mean, scale), mask).log_prob(x)

    assert torch.autograd.gradcheck(log_prob, parameters)
    (of_mean,) = torch.autograd.grad(log_prob(*parameters).sum(), parameters[:1])
    assert not of_mean[~mask].any()
    assert of_mean[mask].all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["diagonal", "low rank", "dense"])
def test_the_dtype_stays(name: str, dtype: torch.dtype) -> None:
    masked = MaskedPrior(PRIORS[name](3).to(dtype), MASKS["scattered"])
    x = random(3, *EVENT).to(dtype)
    assert masked.mean.dtype == masked.color(x).dtype == masked.log_det().dtype == dtype
    expected, _ = reference(PRIORS[name](3), MASKS["scattered"])
    covariance_matrix = dense(masked.to(torch.float64), 3).gaussian.covariance_matrix
    torch.testing.assert_close(covariance_matrix, expected.covariance_matrix, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("prior", "mask", "message"),
    [
        (
            DiagonalPrior(0.0, torch.ones(3, 2, 8)),
            torch.ones(8),
            "mask has shape (8,) and a parameter of the",
        ),
        (
            DiagonalPrior(0.0, torch.ones(3, 2, 8)),
            torch.ones(2, 1, 8),
            "mask has shape (2, 1, 8) and a parameter of the prior (3, 2, 8): both need as many dimensions",
        ),
        (
            DiagonalPrior(0.0, torch.ones(3, 2, 8)),
            torch.ones(3, 1, 7),
            "mask has shape (3, 1, 7) and a param",
        ),
        (
            DensePrior(0.0, torch.eye(16)),
            torch.ones(3, 2, 7),
            "mask and prior of shape (3, 2, 7) and scale_tril for 1 Gaussians over events of 16 elements",
        ),
        (
            LowRankPrior(0.0, 1.0, torch.ones(4, 16, 1)),
            torch.ones(3, 2, 8),
            "mask and prior of shape (3, 2, 8) and factor for 4 Gaussians over events of 16 elements",
        ),
    ],
)
def test_a_mask_that_does_not_fit_is_an_error_in_one_line(
    prior: GaussianPrior, mask: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        MaskedPrior(prior, mask)
    assert "\n" not in str(error.value)


def test_a_mask_that_would_cut_through_correlations_is_an_error_in_one_line() -> None:
    prior = LappedPrior(0.0, torch.ones(1, 1, 2, 4), hop_length=4)
    with pytest.raises(TypeError, match=r"a LappedPrior has no masked form.* into a PaddedPrior") as error:
        MaskedPrior(prior, torch.ones(1, 1, 8))
    assert "\n" not in str(error.value)
