import pytest
import torch

from priordiff.images.metrics import _pairs, nearest_neighbours, share_near_training


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_neighbours_are_those_of_smallest_cosine_distance_in_order():
    samples, training = draw(9, 6, seed=1), draw(30, 6, seed=2)
    found = nearest_neighbours(samples, training, count=4)
    cosines = torch.nn.functional.cosine_similarity(samples[:, None], training[None], dim=2)
    expected = (1 - cosines).sort(1)
    assert torch.equal(found.indices, expected.indices[:, :4])
    assert torch.allclose(found.distances.float(), expected.values[:, :4], atol=1e-6)


def test_a_copy_is_found_at_a_distance_of_exactly_0():
    training = draw(50, 1280)
    found = nearest_neighbours(training[[7, 3]], training)
    assert found.indices.tolist() == [[7], [3]]
    assert found.distances.tolist() == [[0.0], [0.0]]


def test_distances_reach_from_0_to_2_whatever_the_length():
    x = torch.tensor([[1.0, 0.0]])
    others = torch.tensor([[3.0, 0.0], [0.0, 0.1], [-2.0, 0.0]])
    assert nearest_neighbours(x, others, count=3).distances.tolist() == [[0.0, 1.0, 2.0]]


def test_pairs_are_compared_in_blocks_without_a_difference(monkeypatch):
    samples, training = draw(20, 6, seed=1), draw(30, 6, seed=2)
    whole = nearest_neighbours(samples, training)
    monkeypatch.setattr(_pairs, "_ROWS", 6)
    assert torch.equal(nearest_neighbours(samples, training).indices, whole.indices)


def test_new_images_have_the_share_of_held_out_ones_and_copies_have_1():
    training, held_out, new = (draw(500, 8, seed=i) for i in range(3))
    usual = nearest_neighbours(held_out, training).distances
    assert share_near_training(nearest_neighbours(new, training).distances, usual) == pytest.approx(
        0.05, abs=0.03
    )
    copies = training[:100] + 1e-3 * draw(100, 8, seed=4)
    assert share_near_training(nearest_neighbours(copies, training).distances, usual) == 1
    mixed = torch.cat([copies, new[:100]])
    assert share_near_training(nearest_neighbours(mixed, training).distances, usual) == pytest.approx(
        0.525, abs=0.03
    )


def test_the_share_counts_what_is_as_near_as_the_quantile():
    held_out = torch.linspace(0, 1, 101)
    samples = torch.tensor([0.0, 0.04, 0.1, 0.2, 0.9])
    assert share_near_training(samples, held_out) == 0.4
    assert share_near_training(samples, held_out, quantile=0.5) == 0.8
    # A data set that holds images twice: exact copies still count.
    assert share_near_training(torch.zeros(3), torch.zeros(9)) == 1


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="there are 3 training images: expected at least 4"):
        nearest_neighbours(draw(5, 2), draw(3, 2), count=4)
    with pytest.raises(ValueError, match="count is 0"):
        nearest_neighbours(draw(5, 2), draw(3, 2), count=0)
    with pytest.raises(ValueError, match="training images have 3 dimensions"):
        nearest_neighbours(draw(5, 2), draw(5, 3))
    with pytest.raises(ValueError, match=r"samples have shape \(5, 2\): expected one finite number"):
        share_near_training(draw(5, 2), draw(5))
    with pytest.raises(ValueError, match=r"held-out images have shape \(0,\)"):
        share_near_training(draw(5), draw(0))
    with pytest.raises(ValueError, match="one finite number"):
        share_near_training(draw(5) / 0, draw(5))
    with pytest.raises(ValueError, match="quantile is 5"):
        share_near_training(draw(5), draw(5), quantile=5)
