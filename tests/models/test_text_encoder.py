from __future__ import annotations

from pathlib import Path

import pytest
import torch

from priordiff.models import TextEncoder

SYMBOLS = torch.tensor([[3, 1, 4, 1], [2, 5, 0, 0]])
DURATIONS = torch.tensor([[2, 0, 3, 1], [4, 1, 0, 0]])


def small(**options: object) -> TextEncoder:
    torch.manual_seed(1)
    sizes = {"channels": 8, "layers": 2, "filter_channels": 16, "predictor_channels": 8, "kernel_size": 3}
    return TextEncoder(num_symbols=5, **{**sizes, **options}).eval()


def test_phonemes_become_frames_with_their_durations() -> None:
    encoded = small()(SYMBOLS, durations=DURATIONS)
    assert encoded.condition.shape == (2, 8, 6)
    assert encoded.mask.tolist() == [[True] * 6, [True] * 5 + [False]]
    assert not encoded.condition[1, :, 5].any()
    assert torch.equal(encoded.condition[0, :, 0], encoded.condition[0, :, 1]), "of the same phoneme"
    for predicted in (encoded.log_durations, encoded.pitch, encoded.energy):
        assert predicted.shape == (2, 4)
        assert not predicted[1, 2:].any()


def test_an_item_is_in_a_batch_what_it_is_alone() -> None:
    encoder = small()
    together = encoder(SYMBOLS, durations=DURATIONS)
    alone = encoder(SYMBOLS[1:, :2], durations=DURATIONS[1:, :2])
    torch.testing.assert_close(together.condition[1, :, :5], alone.condition[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(together.pitch[1, :2], alone.pitch[0], rtol=0, atol=1e-6)


def test_durations_are_predicted_where_none_are_given_and_follow_the_speed() -> None:
    encoder = small()
    torch.nn.init.constant_(encoder.duration_predictor.output.bias, 3.0)
    slow, fast = encoder(SYMBOLS), encoder(SYMBOLS, speed=2.0)
    expected = torch.expm1(slow.log_durations).round().long() * (SYMBOLS > 0)
    assert torch.equal(slow.durations, expected)
    assert slow.condition.shape[-1] == int(slow.durations.sum(1).max())
    assert (2 * fast.durations - slow.durations).abs().max() <= 1


def test_every_item_lasts_a_frame_at_least() -> None:
    encoder = small()
    torch.nn.init.constant_(encoder.duration_predictor.output.bias, -9.0)
    assert encoder(SYMBOLS).durations.tolist() == [[1, 0, 0, 0], [1, 0, 0, 0]]


def test_pitch_and_energy_that_are_given_change_the_frames() -> None:
    encoder = small()
    predicted = encoder(SYMBOLS, durations=DURATIONS)
    same = encoder(SYMBOLS, durations=DURATIONS, pitch=predicted.pitch, energy=predicted.energy)
    assert torch.equal(same.condition, predicted.condition)
    shifted = encoder(SYMBOLS, durations=DURATIONS, pitch_shift=1.0)
    higher = encoder(SYMBOLS, durations=DURATIONS, pitch=predicted.pitch + 1)
    assert torch.equal(shifted.condition, higher.condition)
    assert not torch.equal(shifted.condition, predicted.condition)
    louder = encoder(SYMBOLS, durations=DURATIONS, energy=predicted.energy + 1)
    assert not torch.equal(louder.condition, predicted.condition)


def test_speakers_differ() -> None:
    encoder = small(num_speakers=3)
    first, second = (
        encoder(SYMBOLS, torch.tensor([speaker, 0]), durations=DURATIONS).condition for speaker in (1, 2)
    )
    assert not torch.equal(first[0], second[0])
    torch.testing.assert_close(first[1], second[1])


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    encoder = small(num_speakers=2)
    encoder.save_pretrained(tmp_path)
    loaded = TextEncoder.from_pretrained(tmp_path)
    speakers = torch.tensor([0, 1])
    assert torch.equal(loaded(SYMBOLS, speakers).condition, encoder(SYMBOLS, speakers).condition)


def test_all_weights_learn() -> None:
    encoder = small(num_speakers=2).train()
    encoded = encoder(SYMBOLS, torch.tensor([0, 1]), durations=DURATIONS)
    predictions = encoded.log_durations + encoded.pitch + encoded.energy
    (encoded.condition.square().sum() + predictions.square().sum()).backward()
    missing = [name for name, parameter in encoder.named_parameters() if parameter.grad is None]
    assert missing == []


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ({}, {"symbols": torch.tensor([[6]])}, "indices 6 to 6, expected .* 0 to 5"),
        ({}, {"symbols": torch.tensor([1])}, r"symbols has shape \(1,\)"),
        ({}, {"symbols": SYMBOLS, "speakers": torch.tensor([0, 0])}, "speakers is given, .* num_speakers=1"),
        ({"num_speakers": 2}, {"symbols": SYMBOLS}, "speakers is missing, .* num_speakers=2"),
        (
            {"num_speakers": 2},
            {"symbols": SYMBOLS, "speakers": torch.tensor([0, 2])},
            r"speakers is \[0, 2\], expected 0 to 1",
        ),
        ({}, {"symbols": SYMBOLS, "durations": DURATIONS[:, :2]}, r"durations has shape \(2, 2\)"),
        ({}, {"symbols": SYMBOLS, "speed": 0.0}, "speed=0.0"),
        ({"num_symbols": 0}, {}, "num_symbols=0"),
        ({"channels": 9}, {}, "channels=9 must be even"),
        ({"channels": -2}, {}, "channels=-2 must be at least 1"),
        ({"heads": 0}, {}, "heads=0 must be at least 1"),
        ({"kernel_size": 4}, {}, "kernel_size=4 must be a positive odd number"),
        ({"kernel_size": -1}, {}, "kernel_size=-1 must be a positive odd number"),
        ({"dropout": float("nan")}, {}, "dropout=nan must lie in 0…1"),
        ({"predictor_dropout": 2.0}, {}, r"predictor_dropout=2\.0 must lie in 0…1"),
    ],
)
def test_what_does_not_fit_is_named(options: dict, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TextEncoder(**{"num_symbols": 5, "channels": 8, "layers": 1, **options})(**arguments)
