from __future__ import annotations

import pytest
import torch

from priordiff import DiagonalPrior, LappedPrior
from priordiff.losses import prior_loss


@pytest.fixture
def prediction() -> torch.Tensor:
    return torch.randn(2, 1, 8, dtype=torch.float64, requires_grad=True)


@pytest.fixture
def target() -> torch.Tensor:
    return torch.randn(2, 1, 8, dtype=torch.float64)


def lapped() -> LappedPrior:
    return LappedPrior(0.0, torch.rand(2, 1, 2, 4, dtype=torch.float64) + 0.1, hop_length=4)


@pytest.mark.parametrize(
    ("norm", "plain"),
    [
        ("l2", torch.nn.functional.mse_loss),
        ("l1", torch.nn.functional.l1_loss),
        ("huber", torch.nn.functional.huber_loss),
    ],
)
def test_without_a_prior_it_is_the_plain_loss(norm, plain, prediction, target) -> None:
    for reduction in ("mean", "sum", "none"):
        torch.testing.assert_close(
            prior_loss(prediction, target, norm=norm, reduction=reduction),
            plain(prediction, target, reduction=reduction),
        )


def test_the_sum_is_the_mahalanobis_distance(prediction, target) -> None:
    for prior in (DiagonalPrior(3.0, torch.rand(2, 1, 8, dtype=torch.float64) + 0.1), lapped()):
        loss = prior_loss(prediction, target, prior, reduction="sum")
        torch.testing.assert_close(loss, prior.mahalanobis(prediction - target).sum())


def test_the_mean_runs_over_the_elements_that_count(prediction, target) -> None:
    mask = torch.zeros(2, 1, 8, dtype=torch.bool)
    mask[0, :, :5] = True
    mask[1, :, :2] = True
    expected = (
        torch.cat([(prediction - target)[0, 0, :5], (prediction - target)[1, 0, :2]]).square().mean() / 0.25
    )
    prior = DiagonalPrior(0.0, torch.full((1, 1, 8), 0.5, dtype=torch.float64))
    torch.testing.assert_close(prior_loss(prediction, target, prior, mask), expected)
    torch.testing.assert_close(prior_loss(prediction, target, prior, mask.float()), expected)


@pytest.mark.parametrize("prior", [None, lapped()], ids=["plain", "lapped"])
def test_what_is_masked_has_no_influence_even_if_it_is_nan(prior, prediction, target) -> None:
    mask = torch.arange(8).expand(1, 1, 8) < 6
    spoilt = target.masked_fill(~mask, float("nan"))
    loss, expected = prior_loss(prediction, spoilt, prior, mask), prior_loss(prediction, target, prior, mask)
    assert torch.equal(loss, expected)
    loss.backward()
    assert torch.isfinite(prediction.grad).all()
    assert (prediction.grad[..., 6:] == 0).all()


def test_nothing_to_count_gives_zero(prediction, target) -> None:
    assert prior_loss(prediction, target, mask=torch.zeros(1, 1, 1)) == 0


def test_weights_multiply_items(prediction, target) -> None:
    weight = torch.tensor([0.0, 3.0], dtype=torch.float64)
    expected = 3 * (prediction - target)[1].square().sum() / 16
    torch.testing.assert_close(prior_loss(prediction, target, weight=weight), expected)


def test_gradients_reach_a_learned_prior(prediction, target) -> None:
    std = torch.full((1, 1, 8), 0.5, dtype=torch.float64, requires_grad=True)
    prior_loss(prediction, target, DiagonalPrior(0.0, std), reduction="sum").backward()
    expected = -2 * (prediction - target).square().sum(0, keepdim=True) / std**3
    torch.testing.assert_close(std.grad, expected.detach())


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"target": torch.zeros(2, 1, 7)}, ["(2, 1, 8)", "(2, 1, 7)"]),
        ({"mask": torch.ones(2, 8)}, ["(2, 8)", "(2, 1, 8)"]),
        ({"weight": torch.ones(3)}, ["(3,)", "(2,)"]),
        ({"norm": "l3"}, ["'l3'", "'huber'"]),
        ({"reduction": "median"}, ["'median'", "'sum'"]),
        ({"prior": DiagonalPrior(0.0, torch.ones(1, 1, 7))}, ["(1, 7)", "(2, 1, 8)"]),
    ],
    ids=["target", "mask", "weight", "norm", "reduction", "prior"],
)
def test_what_does_not_fit_is_an_error_in_one_line(arguments, names) -> None:
    defaults = {"prediction": torch.zeros(2, 1, 8), "target": torch.zeros(2, 1, 8)}
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as error:
        prior_loss(**{**defaults, **arguments})
    assert all(name in str(error.value) for name in names)
