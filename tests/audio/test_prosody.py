from __future__ import annotations

import pytest
import torch

pytest.importorskip("pyworld")

from priordiff.audio import Alignment, phoneme_energy, phoneme_pitch

RATE = 16000


def tone(hertz: float, seconds: float) -> torch.Tensor:
    time = torch.arange(int(seconds * RATE)) / RATE
    return 0.1 * sum(torch.cos(2 * torch.pi * hertz * k * time) / k for k in range(1, 20))


def test_each_phoneme_has_its_own_pitch_and_what_is_unvoiced_has_none() -> None:
    noise = 0.01 * torch.randn(int(0.3 * RATE))
    waveform = torch.cat([tone(120, 0.5), noise, tone(240, 0.5)])
    alignment = Alignment(("a", "s", "i", "x"), (0.0, 0.5, 0.8, 1.3), 1.3)
    pitch = phoneme_pitch(waveform, RATE, alignment)
    assert pitch[[0, 2]].exp().tolist() == pytest.approx([120, 240], rel=0.03)
    assert pitch[3].isnan(), "it has no moment at all"
    silent = phoneme_pitch(torch.zeros(RATE), RATE, Alignment(("_",), (0.0,), 1.0))
    assert silent.isnan().all()


def test_energy_is_the_mean_over_bands_and_frames() -> None:
    log_mel = torch.arange(8.0).reshape(2, 4)
    energy = phoneme_energy(log_mel, torch.tensor([1, 0, 3]))
    assert energy[[0, 2]].tolist() == [2.0, 4.0]
    assert energy[1].isnan()
    with pytest.raises(ValueError, match="add up to 3 frames, log_mel has 4"):
        phoneme_energy(log_mel, torch.tensor([1, 2]))
