from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from priordiff.models.length_regulator import frame_mask, phoneme_of_frame, to_frames

batches = st.integers(1, 6).flatmap(
    lambda length: st.lists(
        st.lists(st.integers(0, 5), min_size=length, max_size=length).filter(any), min_size=1, max_size=4
    )
)


@given(batches)
def test_each_phoneme_is_repeated_for_its_frames(durations: list[list[int]]) -> None:
    values = torch.arange(1.0, len(durations[0]) + 1).expand(len(durations), -1)
    frames = to_frames(values, torch.tensor(durations))
    longest = max(map(sum, durations))
    for row, item in zip(frames.tolist(), durations, strict=True):
        expected = [index + 1.0 for index, count in enumerate(item) for _ in range(count)]
        assert row == expected + [0.0] * (longest - len(expected))
    assert torch.equal(frame_mask(torch.tensor(durations)), frames > 0)


def test_the_number_of_frames_may_be_given() -> None:
    durations = torch.tensor([[2, 1]])
    values = torch.tensor([[[1.0, 10.0], [2.0, 20.0]]])
    assert to_frames(values, durations, 2).tolist() == [[[1.0, 10.0], [1.0, 10.0]]]
    assert to_frames(values, durations, 4)[0, :, 0].tolist() == [1.0, 1.0, 2.0, 0.0]
    assert phoneme_of_frame(durations, 5).tolist() == [[0, 0, 1, 1, 1]]


def test_gradients_reach_the_phonemes() -> None:
    values = torch.ones(1, 2, requires_grad=True)
    to_frames(values, torch.tensor([[3, 1]])).sum().backward()
    assert values.grad.tolist() == [[3.0, 1.0]]


def test_what_is_no_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="a duration is -2 frames"):
        phoneme_of_frame(torch.tensor([[1, -2]]))
    with pytest.raises(ValueError, match="all durations are 0"):
        phoneme_of_frame(torch.tensor([[0, 0]]))
    with pytest.raises(ValueError, match=r"of_phonemes has shape \(1, 3\), expected to begin with \(1, 2\)"):
        to_frames(torch.zeros(1, 3), torch.tensor([[1, 2]]))
