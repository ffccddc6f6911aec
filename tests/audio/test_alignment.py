from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from priordiff.audio import Utterance
from priordiff.audio.alignment import Alignment, mean_boundary_error

RATE, HOP = 22050, 256


@given(
    lengths=st.lists(st.integers(0, 5000), min_size=1, max_size=20).filter(any),
    hop_length=st.sampled_from([1, 100, 256, 300]),
)
def test_durations_add_up_to_the_frames_and_no_boundary_is_off_by_more_than_half_a_frame(
    lengths: list[int], hop_length: int
) -> None:
    starts = [sum(lengths[:index]) / RATE for index in range(len(lengths))]
    alignment = Alignment(tuple("x" * len(lengths)), tuple(starts), sum(lengths) / RATE)
    durations = alignment.durations(hop_length, RATE)
    assert durations.sum() == sum(lengths) // hop_length
    assert (durations >= 0).all()
    ends = durations.cumsum(0)[:-1] * hop_length / RATE
    # Half a frame, and the last, broken one.
    tolerance = 1.5 * hop_length / RATE
    assert all(abs(end - start) <= tolerance for end, start in zip(ends, starts[1:], strict=True))


def test_the_last_phoneme_fills_the_recording() -> None:
    alignment = Alignment(("a", "b"), (0.0, 0.5), 1.0)
    assert alignment.durations(100, 1000).tolist() == [5, 5]
    assert alignment.durations(100, 1000, num_frames=11).tolist() == [5, 6]
    assert alignment.durations(100, 1000, num_frames=9).tolist() == [5, 4]
    with pytest.raises(ValueError, match=r"ends at 1\.00 s, the recording at 2\.00 s: they don't belong"):
        alignment.durations(100, 1000, num_frames=20)


def test_durations_and_back() -> None:
    durations = torch.tensor([3, 0, 7, 1])
    alignment = Alignment.of_durations("abcd", durations, HOP, RATE)
    assert alignment.durations(HOP, RATE).tolist() == durations.tolist()
    assert alignment.end == pytest.approx(11 * HOP / RATE)


def test_an_utterance_has_its_voice_s_alignment() -> None:
    utterance = Utterance(torch.zeros(1000), 1000, [("_", 0), ("h", 100), ("aɪ", 250)])
    assert Alignment.of_utterance(utterance) == Alignment(("_", "h", "aɪ"), (0.0, 0.1, 0.25), 1.0)


@pytest.mark.parametrize(
    ("symbols", "starts", "end", "message"),
    [
        ((), (), 1.0, "0 symbols and 0 starts"),
        (("a",), (0.0, 0.1), 1.0, "1 symbols and 2 starts"),
        (("a",), (0.1,), 1.0, r"begins at 0\.1 s, expected 0"),
        (("a", "b", "c"), (0.0, 0.5, 0.4), 1.0, r"begins at 0\.5 s and ends at 0\.4 s"),
        (("a", "b"), (0.0, 0.5), 0.4, "times run backwards"),
        (("a", "b"), (0.0, float("nan")), 0.4, "times run backwards"),
    ],
)
def test_what_is_no_alignment_is_refused(
    symbols: tuple[str, ...], starts: tuple[float, ...], end: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Alignment(symbols, starts, end)


def test_boundaries_can_only_be_compared_between_the_same_phonemes() -> None:
    first = Alignment(("a", "b"), (0.0, 0.5), 1.0)
    assert mean_boundary_error(first, first) == 0
    assert mean_boundary_error(first, Alignment(("a", "b"), (0.0, 0.4), 0.9)) == pytest.approx(100)
    with pytest.raises(ValueError, match="alignments of a b and of a c"):
        mean_boundary_error(first, Alignment(("a", "c"), (0.0, 0.5), 1.0))
    with pytest.raises(ValueError, match="no boundaries"):
        mean_boundary_error(Alignment(("a",), (0.0,), 1.0), Alignment(("a",), (0.0,), 1.0))
