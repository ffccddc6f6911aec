from __future__ import annotations

import pytest
import torch
from torch import Tensor

pytest.importorskip("accelerate")
pytest.importorskip("monotonic_alignment_search")

from priordiff.experiments.aligner import PhonemeAligner

# Each phoneme has a sound of its own, and each third of it another one; a pause is silent.
SOUNDS = {"a": 1.0, "b": -1.0, "c": 2.0, "d": -2.0}


def utterance(symbols: list[str], durations: list[int], seed: int = 0) -> Tensor:
    """Features (3, frames) of symbols that last so long."""
    columns = []
    for symbol, duration in zip(symbols, durations, strict=True):
        for frame in range(duration):
            sound = SOUNDS.get(symbol.lstrip("ˈˌ"), 0.0)
            columns.append([sound, sound**2, 3 * frame // max(duration, 1) if sound else -1])
    noise = torch.randn(3, len(columns), generator=torch.Generator().manual_seed(seed))
    return torch.tensor(columns).T + 0.1 * noise


def corpus(count: int = 30) -> tuple[list[Tensor], list[list[str]], list[list[int]]]:
    random = torch.Generator().manual_seed(0)
    features, symbols, durations = [], [], []
    for index in range(count):
        order = torch.randperm(4, generator=random).tolist()
        first, second, third, fourth = ("abcd"[each] for each in order)
        said = ["_", first, second, " ", f"ˈ{third}", fourth, "."]
        lengths = torch.randint(4, 14, (7,), generator=random).tolist()
        lengths[3] = 12 if index % 2 else 0
        features.append(utterance(said, lengths, index))
        symbols.append(said)
        durations.append(lengths)
    return features, symbols, durations


def test_phonemes_are_found_where_they_sound_and_a_pause_only_where_there_is_one() -> None:
    features, symbols, durations = corpus()
    aligner = PhonemeAligner.fit(features, symbols)
    found = [
        aligner.align(each, said).durations.tolist() for each, said in zip(features, symbols, strict=True)
    ]
    assert found == durations


def test_an_alignment_is_the_same_each_time() -> None:
    features, symbols, _ = corpus(8)
    first, second = (PhonemeAligner.fit(features, symbols, rounds=2) for _ in range(2))
    assert torch.equal(first.moments.mean, second.moments.mean)
    assert first.align(features[0], symbols[0]).misfit == second.align(features[0], symbols[0]).misfit


def test_a_wrong_text_fits_worse_than_every_right_one() -> None:
    features, symbols, _ = corpus()
    aligner = PhonemeAligner.fit(features, symbols)
    right = [aligner.align(each, said).misfit for each, said in zip(features, symbols, strict=True)]
    backwards = [[said[0], *said[1:-1][::-1], said[-1]] for said in symbols]
    wrong = [aligner.align(each, said).misfit for each, said in zip(features, backwards, strict=True)]
    assert 0 <= min(right) <= max(right) < min(wrong)


def test_the_loudest_feature_does_not_drown_the_others() -> None:
    features, symbols, durations = corpus()
    scaled = [each * torch.tensor([[1.0], [1000.0], [0.001]]) for each in features]
    aligner = PhonemeAligner.fit(scaled, symbols)
    assert aligner.align(scaled[1], symbols[1]).durations.tolist() == durations[1]


def test_as_many_frames_as_a_text_needs_are_enough() -> None:
    features, symbols, _ = corpus()
    aligner = PhonemeAligner.fit(features, symbols, rounds=1)
    fewest = aligner.fewest_frames(symbols[0])
    assert fewest == 4 * 3 + 2
    assert aligner.align(features[0][:, :fewest], symbols[0]).durations.tolist() == [1, 3, 3, 0, 3, 3, 1]
    with pytest.raises(ValueError, match="14 parts of phonemes in 13 frames"):
        aligner.align(features[0][:, : fewest - 1], symbols[0])


def test_what_cannot_be_learned_from_is_refused() -> None:
    features, symbols, _ = corpus(2)
    with pytest.raises(ValueError, match="2 recordings and 1 texts"):
        PhonemeAligner.fit(features, symbols[:1])
    with pytest.raises(ValueError, match="rounds=0"):
        PhonemeAligner.fit(features, symbols, rounds=0)
    aligner = PhonemeAligner.fit(features, symbols, rounds=1)
    with pytest.raises(ValueError, match="unknown phonemes x"):
        aligner.align(features[0], ["x"])
