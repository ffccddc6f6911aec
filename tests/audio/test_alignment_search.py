from __future__ import annotations

import itertools

import pytest
import torch

pytest.importorskip("monotonic_alignment_search")

from priordiff.audio.alignment_search import monotonic_durations


def best_by_hand(log_likelihood: torch.Tensor) -> list[int]:
    """The durations of the best alignment of (L, F), of all there are."""
    phonemes, frames = log_likelihood.shape
    best, found = -float("inf"), []
    for cuts in itertools.combinations(range(1, frames), phonemes - 1):
        edges = [0, *cuts, frames]
        score = sum(
            float(log_likelihood[index, edges[index] : edges[index + 1]].sum()) for index in range(phonemes)
        )
        if score > best:
            best, found = score, [edges[index + 1] - edges[index] for index in range(phonemes)]
    return found


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_best_of_all_alignments(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    log_likelihood = torch.randn(3, 4, 9, generator=generator)
    num_phonemes, num_frames = torch.tensor([4, 2, 1]), torch.tensor([9, 7, 3])
    # What lies beyond an item must not count, whatever it is.
    durations = monotonic_durations(log_likelihood, num_phonemes, num_frames)
    for item, (length, frames) in enumerate(zip(num_phonemes.tolist(), num_frames.tolist(), strict=True)):
        expected = best_by_hand(log_likelihood[item, :length, :frames]) + [0] * (4 - length)
        assert durations[item].tolist() == expected


def test_padding_may_be_anything() -> None:
    log_likelihood = torch.zeros(1, 3, 4)
    log_likelihood[:, 2] = torch.nan
    assert monotonic_durations(log_likelihood, torch.tensor([2]), torch.tensor([4])).sum() == 4


@pytest.mark.parametrize(
    ("shape", "phonemes", "frames", "message"),
    [
        ((1, 3, 2), [3], [2], "item 0 has 3 phonemes in 2 frames"),
        ((1, 3, 4), [4], [4], r"num_phonemes is \[4\], expected 1 numbers from 1 to 3"),
        ((2, 3, 4), [3, 3], [4, 0], r"num_frames is \[4, 0\], expected 2 numbers from 1 to 4"),
        ((2, 3, 4), [3], [4, 4], "num_phonemes"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(
    shape: tuple[int, ...], phonemes: list[int], frames: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        monotonic_durations(torch.zeros(shape), torch.tensor(phonemes), torch.tensor(frames))


def test_a_likelihood_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        monotonic_durations(torch.full((1, 1, 2), torch.nan), torch.tensor([1]), torch.tensor([2]))
