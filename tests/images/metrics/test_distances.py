import math

import numpy as np
import pytest
import scipy.linalg
import torch

from priordiff.images.metrics import _pairs, frechet_distance, kernel_distance


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_moments(mean, covariance, seed=0, count=200):
    """Features whose mean and covariance are exactly these."""
    x = draw(count, len(mean), seed=seed)
    x = x - x.mean(0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T.cov()), x.T, upper=False).T
    return mean + white @ torch.linalg.cholesky(covariance).T


def random_covariance(size, seed):
    x = draw(size, 2 * size, seed=seed)
    return x @ x.T / size


def test_the_frechet_distance_of_gaussians_on_common_axes_is_that_of_means_and_standard_deviations():
    std, other_std = torch.tensor([1.0, 2.0, 0.5]).double(), torch.tensor([1.5, 2.0, 0.1]).double()
    mean = torch.tensor([0.3, -1.0, 2.0]).double()
    samples = with_moments(mean, torch.diag(std**2), seed=1)
    reference = with_moments(0 * mean, torch.diag(other_std**2), seed=2, count=150)
    expected = mean.square().sum() + (std - other_std).square().sum()
    assert frechet_distance(samples, reference) == pytest.approx(expected.item(), rel=1e-10)


def test_the_frechet_distance_agrees_with_the_root_of_the_product_of_covariances():
    samples = with_moments(draw(6, seed=3), random_covariance(6, seed=4), seed=5)
    reference = with_moments(draw(6, seed=6), random_covariance(6, seed=7), seed=8)
    first, second = (np.cov(x.numpy(), rowvar=False) for x in (samples, reference))
    root = scipy.linalg.sqrtm(first @ second).real
    means = np.square(samples.numpy().mean(0) - reference.numpy().mean(0)).sum()
    expected = means + np.trace(first + second - 2 * root)
    assert frechet_distance(samples, reference) == pytest.approx(expected, rel=1e-10)


def test_fewer_images_than_dimensions_give_the_distance_in_the_space_that_they_span():
    samples, reference = draw(12, 4, seed=1), 2 * draw(15, 4, seed=2) + 1
    basis = torch.linalg.qr(draw(300, 4, seed=3)).Q
    expected = frechet_distance(samples, reference)
    assert frechet_distance(samples @ basis.T, reference @ basis.T) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("count", "size"), [(200, 10), (20, 300)])
def test_the_frechet_distance_of_a_set_to_itself_is_0_and_never_below(count, size):
    samples = draw(count, size).float()
    assert 0 <= frechet_distance(samples, samples) < 1e-9
    assert 0 <= frechet_distance(samples, samples.flip(0)) < 1e-9


def test_the_frechet_distance_is_symmetric_and_blind_to_rotations_and_shifts_of_both():
    samples, reference = draw(50, 8, seed=1), 1.5 * draw(70, 8, seed=2)
    expected = frechet_distance(samples, reference)
    turn = torch.linalg.qr(draw(8, 8, seed=3)).Q
    assert frechet_distance(reference, samples) == pytest.approx(expected)
    assert frechet_distance(samples @ turn + 100, reference @ turn + 100) == pytest.approx(expected)


def test_the_frechet_distance_falls_as_images_are_added():
    few, many = (frechet_distance(draw(n, 20, seed=1), draw(n, 20, seed=2)) for n in (30, 3000))
    assert few > 10 * many


def test_the_kernel_distance_agrees_with_the_sum_over_pairs():
    samples, reference = draw(7, 3, seed=1), draw(5, 3, seed=2) + 0.5

    def kernel(x, y):
        return (float(x @ y) / 3 + 1) ** 3

    def within(z):
        pairs = [kernel(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j]
        return sum(pairs) / len(pairs)

    between = [kernel(x, y) for x in samples for y in reference]
    expected = within(samples) + within(reference) - 2 * sum(between) / len(between)
    assert kernel_distance(samples, reference) == pytest.approx(expected, rel=1e-12)


def test_the_kernel_distance_of_shifted_gaussians_is_that_of_their_moments():
    # In one dimension (xy + 1)³ compares E x, E x² and E x³: 3 · 1² + 3 · 1² + 4² for a shift by 1.
    quantiles = (torch.arange(2000).double() + 0.5) / 2000
    reference = torch.special.ndtri(quantiles)[:, None]
    assert kernel_distance(reference + 1, reference) == pytest.approx(22, rel=0.01)


def test_the_kernel_distance_of_equal_distributions_is_0_on_average_however_few_the_images():
    values = torch.tensor(
        [kernel_distance(draw(8, 4, seed=2 * i), draw(6, 4, seed=2 * i + 1)) for i in range(400)]
    )
    assert values.min() < 0 < values.max()
    assert abs(values.mean()) < 3 * values.std() / math.sqrt(len(values))


def test_pairs_are_summed_in_blocks_without_a_difference(monkeypatch):
    samples, reference = draw(20, 4, seed=1), draw(17, 4, seed=2)
    whole = kernel_distance(samples, reference)
    monkeypatch.setattr(_pairs, "_ROWS", 6)
    assert kernel_distance(samples, reference) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_features_in_single_precision_give_the_distance_in_double(distance):
    samples, reference = draw(40, 30, seed=1).float(), draw(40, 30, seed=2).float() + 0.1
    assert distance(samples, reference) == distance(samples.double(), reference.double())


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_bad_features_are_named(distance):
    good = draw(5, 3)
    for samples, reference, message in [
        (good[:1], good, "there are 1 samples: expected at least 2"),
        (good, good[:1], "there are 1 reference images: expected at least 2"),
        (good, draw(5, 4), "reference images have 4 dimensions and those to compare with 3"),
        (good[0], good, r"samples have shape \(3,\)"),
        (good.long(), good, "torch.int64"),
        (torch.where(good == good[2, 1], torch.nan, good), good, "samples hold 1 NaN"),
        (good, good / torch.zeros(3), "reference images hold 15 NaN or infinite"),
    ]:
        with pytest.raises(ValueError, match=message):
            distance(samples, reference)
