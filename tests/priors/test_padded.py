from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from priordiff import (
    DensePrior,
    DiagonalPrior,
    GaussianPrior,
    KroneckerPrior,
    LappedPrior,
    LowRankPrior,
    PaddedPrior,
    SpectralPrior,
)
from tests.priors.cases import covariance, positive, random

LENGTHS = [4, 12, 7, 9, 0]


def mask_of(lengths: list[int], total: int = 12) -> Tensor:
    """True for the first elements of the last axis of data (batch, channels, time)."""
    return torch.arange(total) < torch.tensor(lengths)[:, None, None]


def priors() -> list[GaussianPrior]:
    return [
        LappedPrior(random(1, 2, 4), positive(1, 2, 1, 4), hop_length=4),
        DensePrior(random(1, 2, 12), covariance(24, 24)),
        KroneckerPrior(random(1, 2, 7), {1: covariance(2, 2)}),
        SpectralPrior(random(1, 2, 9), positive(1, 2, 5), [-1]),
        DiagonalPrior(0.5, torch.tensor(0.3, dtype=torch.float64)),
    ]


def test_every_item_is_treated_as_if_it_were_alone() -> None:
    padded, x = PaddedPrior(priors(), mask_of(LENGTHS)), random(5, 2, 12)
    assert padded.event_shape == (2, 12)
    padding = DiagonalPrior(0.0, torch.tensor(1.0, dtype=torch.float64))
    log_prob = padded.log_prob(x)
    for index, (prior, length) in enumerate(zip(priors(), LENGTHS, strict=True)):
        item, rest = x[[index], :, :length], x[[index], :, length:]
        assert torch.equal(padded.color(x)[[index], :, length:], rest)
        assert torch.equal(padded.whiten(x)[[index], :, length:], rest)
        assert not padded.mean[index, :, length:].any()
        expected = padding.log_prob(rest)
        if length:
            torch.testing.assert_close(padded.color(x)[[index], :, :length], prior.color(item))
            torch.testing.assert_close(padded.whiten(x)[[index], :, :length], prior.whiten(item))
            torch.testing.assert_close(padded.mean[[index], :, :length], prior.mean.expand(1, 2, length))
            expected = expected + prior.log_prob(item)
        torch.testing.assert_close(log_prob[[index]], expected)


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_the_mask_says_along_which_axis_an_item_is_padded(axis: int) -> None:
    shape = [3, 2, 2, 2]
    shape[axis] = 5
    mask = (torch.arange(5) < torch.tensor([2, 5, 1])[:, None]).reshape(
        [5 if other == axis else 1 if other else 3 for other in range(4)]
    )
    parts = [DiagonalPrior(1.0, torch.tensor(value, dtype=torch.float64)) for value in (2.0, 3.0, 4.0)]
    colored = PaddedPrior(parts, mask).color(torch.ones(shape, dtype=torch.float64))
    std = torch.tensor([2.0, 3.0, 4.0], dtype=torch.float64).reshape(3, 1, 1, 1)
    assert torch.equal(colored, torch.where(mask, std, 1.0).expand(shape))


def test_the_divergence_is_the_sum_over_items_of_the_same_lengths() -> None:
    ours, mask = PaddedPrior(priors(), mask_of(LENGTHS)), mask_of(LENGTHS)
    theirs = PaddedPrior(
        [DiagonalPrior(random(1, 2, 1), positive(1, 2, length or 1)) for length in LENGTHS], mask
    )
    for first, second in ((ours, theirs), (theirs, ours), (ours.tile(2), theirs.tile(2))):
        general = super(PaddedPrior, first)._trace_ratio(second, torch.Size((2, 12)))
        torch.testing.assert_close(first._trace_ratio(second, torch.Size((2, 12))), general)
    other = PaddedPrior([DiagonalPrior(0.0, positive(1, 2, 12))] * 5, mask_of([12] * 5))
    assert (ours.kl_divergence(other) > 0).all()


def test_repeating_and_tiling_keep_each_items_prior() -> None:
    padded, x = PaddedPrior(priors(), mask_of(LENGTHS)), random(5, 2, 12)
    repeated, tiled = padded.repeat_interleave(2).repeat_interleave(2), padded.tile(3)
    torch.testing.assert_close(
        repeated.log_prob(x.repeat_interleave(4, 0)), padded.log_prob(x).repeat_interleave(4)
    )
    torch.testing.assert_close(tiled.log_prob(x.repeat(3, 1, 1)), padded.log_prob(x).repeat(3))
    torch.testing.assert_close(tiled.color(x.repeat(3, 1, 1)), padded.color(x).repeat(3, 1, 1))


def test_a_dtype_is_that_of_every_item() -> None:
    padded = PaddedPrior(priors(), mask_of(LENGTHS)).to(torch.bfloat16)
    assert {prior.mean.dtype for prior in padded.priors} == {torch.bfloat16}
    assert padded.color(torch.zeros(5, 2, 12, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert padded.log_det().dtype == torch.bfloat16
    with pytest.raises(ValueError, match=r"its smallest value in torch.float16 is 0"):
        PaddedPrior([DiagonalPrior(0.0, 1.0), DiagonalPrior(0.0, 1e-30)], mask_of([3, 12])).to(torch.float16)


def test_gradients_reach_every_item() -> None:
    mask, x = mask_of([2, 3], 3), random(2, 1, 3, seed=1)

    def function(mean: Tensor, std: Tensor, factor: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        padded = PaddedPrior([DiagonalPrior(mean, std), LowRankPrior(mean[..., :1], 1.0, factor)], mask)
        return padded.color(x), padded.whiten(x), padded.log_prob(x), padded.mean

    parameters = [random(1, 1, 2), positive(1, 1, 2), random(3, 1), x]
    assert torch.autograd.gradcheck(function, [value.requires_grad_() for value in parameters])


ONE = DiagonalPrior(0.0, torch.ones(1, 2, 4))


@pytest.mark.parametrize(
    ("parts", "mask", "message"),
    [
        (
            [ONE],
            mask_of([4, 4], 4),
            "priors hold [1] Gaussians and mask is for 2 items: expected one for each",
        ),
        ([ONE, DiagonalPrior(0.0, torch.ones(2, 2, 4))], mask_of([4, 4], 4), "priors hold [1, 2] Gaussians"),
        (
            [ONE, ONE.to(torch.float64)],
            mask_of([4, 4], 4),
            "priors are of torch.float32 on cpu and torch.float64 on cpu: convert them to one",
        ),
        (
            [ONE, ONE],
            mask_of([4, 3], 4),
            "item 1 is of shape (2, 3) without its padding, but DiagonalPrior holds 1 Gaussians over events "
            "of shape (2, 4)",
        ),
        (
            [ONE, DiagonalPrior(0.0, torch.ones(1, 8))],
            mask_of([4, 8], 8),
            "priors are over events of shape (2, 4), (8,) and mask has shape (2, 1, 8): expected all with as",
        ),
        (
            [ONE],
            torch.ones(1, 2, 4),
            "mask of shape (1, 2, 4) must be True for the first elements of each item",
        ),
        (
            [ONE],
            torch.tensor([[[False, True]]]),
            "mask of shape (1, 1, 2) must be True for the first elements",
        ),
        ([ONE], torch.ones(1), "mask of shape (1,) must be True for the first elements"),
    ],
)
def test_what_is_no_padded_batch_is_an_error_in_one_line(
    parts: list[GaussianPrior], mask: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        PaddedPrior(parts, mask)
    assert "\n" not in str(error.value)


def test_data_of_another_length_are_an_error() -> None:
    padded = PaddedPrior(priors(), mask_of(LENGTHS))
    with pytest.raises(ValueError, match=r"5 Gaussians over events of shape \(2, 12\).* \(5, 2, 13\)"):
        padded.color(random(5, 2, 13))
    single = PaddedPrior([DiagonalPrior(0.0, torch.tensor(0.5))], torch.ones(1, 1, 1))
    with pytest.raises(ValueError, match=r"\(1, 1\).* \(1, 4, 1\)"):
        single.color(torch.ones(1, 4, 1))
