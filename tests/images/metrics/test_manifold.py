import pytest
import torch

from priordiff.images.metrics import _pairs, precision_recall


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def modes(*centres, count=40, seed=0):
    """Features around points that are far from each other."""
    return torch.cat([draw(count, 5, seed=seed + i) + 100 * centre for i, centre in enumerate(centres)])


def test_a_set_has_precision_and_recall_1_against_itself():
    samples = draw(60, 200)
    assert precision_recall(samples, samples.flip(0)) == (1.0, 1.0)


def test_sets_that_are_far_apart_have_precision_and_recall_0():
    assert precision_recall(modes(0), modes(1)) == (0.0, 0.0)


def test_a_mode_that_is_left_out_lowers_recall_and_not_precision():
    reference = modes(0, 1, 2, 3)
    whole, without_one = (
        precision_recall(modes(*some, seed=9), reference) for some in ((0, 1, 2, 3), (0, 1, 2))
    )
    assert without_one.precision == pytest.approx(whole.precision, abs=0.1)
    assert without_one.recall == pytest.approx(0.75 * whole.recall, abs=0.1)


def test_samples_of_no_mode_lower_precision_and_not_recall():
    reference = modes(0, 1)
    whole, with_others = (
        precision_recall(modes(*some, seed=9), reference) for some in ((0, 1), (0, 1, 5, 6))
    )
    assert with_others.precision == pytest.approx(0.5 * whole.precision, abs=0.1)
    assert with_others.recall == pytest.approx(whole.recall, abs=0.1)


@pytest.mark.parametrize("neighbours", [1, 3])
def test_shares_are_those_within_reach_of_the_kth_neighbour(neighbours):
    samples, reference = draw(25, 3, seed=1), draw(30, 3, seed=2)

    def share(points, centres):
        radii = [(centres - c).norm(dim=1).sort().values[neighbours] for c in centres]
        inside = [any((p - c).norm() <= r for c, r in zip(centres, radii, strict=True)) for p in points]
        return sum(inside) / len(inside)

    expected = share(samples, reference), share(reference, samples)
    assert precision_recall(samples, reference, neighbours) == pytest.approx(expected)


def test_a_wider_reach_lets_more_in():
    samples, reference = draw(100, 10, seed=1), draw(100, 10, seed=2)
    narrow, wide = (precision_recall(samples, reference, k) for k in (1, 5))
    assert narrow.precision < wide.precision
    assert narrow.recall < wide.recall


def test_pairs_are_compared_in_blocks_without_a_difference(monkeypatch):
    samples, reference = draw(50, 4, seed=1), draw(43, 4, seed=2)
    whole = precision_recall(samples, reference)
    monkeypatch.setattr(_pairs, "_ROWS", 6)
    assert precision_recall(samples, reference) == whole


def test_too_few_images_are_named():
    with pytest.raises(ValueError, match="there are 3 samples: expected at least 4"):
        precision_recall(draw(3, 2), draw(9, 2))
    with pytest.raises(ValueError, match="there are 5 reference images: expected at least 6"):
        precision_recall(draw(9, 2), draw(5, 2), neighbours=5)
    with pytest.raises(ValueError, match="neighbours is 0"):
        precision_recall(draw(9, 2), draw(9, 2), neighbours=0)
