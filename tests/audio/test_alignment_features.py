from __future__ import annotations

import pytest
import torch

pytest.importorskip("torchaudio")

from priordiff.audio import AlignmentFeatures


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 24000, 44100])
def test_frames_last_six_milliseconds_at_any_rate(sample_rate: int) -> None:
    features = AlignmentFeatures(sample_rate)
    assert features.hop_length / sample_rate == pytest.approx(128 / 22050, rel=0.02)
    frames = features(torch.randn(sample_rate))
    assert frames.shape == (32, sample_rate // features.hop_length)
    assert frames.isfinite().all()


def test_loudness_of_the_whole_recording_does_not_count() -> None:
    features, waveform = AlignmentFeatures(), torch.randn(22050, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(features(0.1 * waveform), features(waveform), rtol=0, atol=1e-3)


def test_a_slope_is_that_of_its_coefficient() -> None:
    swelling = torch.linspace(-6, 0, 22050).exp() * torch.randn(
        22050, generator=torch.Generator().manual_seed(0)
    )
    loudness, slope = AlignmentFeatures()(swelling)[[0, 16]]
    rise = (loudness[-10] - loudness[10]) / (len(loudness) - 20)
    assert float(slope[10:-10].mean()) == pytest.approx(float(rise), rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "named"), [((4000,), "sample_rate=4000"), ((16000, 41), "num_cepstra=41")]
)
def test_what_cannot_be_is_refused(arguments: tuple[int, ...], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        AlignmentFeatures(*arguments)
