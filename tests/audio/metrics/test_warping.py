from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from priordiff.audio.metrics import dynamic_time_warping, warped_distances


def cheapest(distances: list[list[int]]) -> int:
    """The cost of the best path, by the definition."""

    @cache
    def best(i: int, j: int) -> float:
        if min(i, j) < 0:
            return math.inf
        before = 0 if i == j == 0 else min(best(i - 1, j), best(i, j - 1), best(i - 1, j - 1))
        return distances[i][j] + before

    return best(len(distances) - 1, len(distances[0]) - 1)


@given(
    st.integers(1, 6).flatmap(
        lambda m: st.lists(st.lists(st.integers(0, 9), min_size=m, max_size=m), min_size=1, max_size=6)
    )
)
def test_the_path_is_the_cheapest_of_all(distances: list[list[int]]) -> None:
    costs = torch.tensor(distances, dtype=torch.float32)
    first, second = dynamic_time_warping(costs)
    assert (first[0], second[0]) == (0, 0)
    assert (first[-1], second[-1]) == (len(distances) - 1, len(distances[0]) - 1)
    steps = set(zip(first.diff().tolist(), second.diff().tolist(), strict=True))
    assert steps <= {(0, 1), (1, 0), (1, 1)}
    assert costs[first, second].sum() == cheapest(distances)


@pytest.mark.parametrize("distances", [torch.zeros(0, 3), torch.zeros(3), torch.tensor([[math.nan]])])
def test_what_has_no_path_is_refused(distances: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="expected finite numbers"):
        dynamic_time_warping(distances)


def test_timing_does_not_count_but_sound_does() -> None:
    speech = torch.randn(20, 30).cumsum(dim=1)
    slower = speech[:, torch.arange(45) * 2 // 3]
    assert warped_distances(slower, speech) == {"log_mel_mae": 0.0, "mcd": 0.0}
    louder = warped_distances(slower + 1, speech)
    assert louder["log_mel_mae"] == pytest.approx(1)
    assert louder["mcd"] == pytest.approx(0, abs=1e-4), "the gain does not count"
    duller = warped_distances(slower * 0.5, speech)
    assert duller["mcd"] > 1


def test_bands_must_be_the_same() -> None:
    with pytest.raises(ValueError, match=r"\(20, 5\) and target \(21, 5\)"):
        warped_distances(torch.zeros(20, 5), torch.zeros(21, 5))
    with pytest.raises(ValueError, match="12 bands"):
        warped_distances(torch.zeros(12, 5), torch.zeros(12, 5))


def test_the_pitch_is_compared_along_the_path_where_both_are_voiced() -> None:
    target = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    slower = target.repeat_interleave(2, dim=1)
    f0 = torch.tensor([0.0, 100.0, 110.0, 120.0, 0.0, 130.0])
    other = (f0 + 5 * (f0 > 0)).repeat_interleave(2)
    other[6:8] = 0.0
    measures = warped_distances(slower, target, other, f0)
    assert measures == {"log_mel_mae": 0.0, "mcd": 0.0, "f0_rmse": 5.0}
    assert "f0_rmse" not in warped_distances(slower, target, 0 * other, f0)
    with pytest.raises(ValueError, match=r"target_f0 has shape \(5,\), expected \(6,\) as the frames"):
        warped_distances(slower, target, other, f0[1:])
