from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from priordiff import MelEnergyEstimator
from tests.golden import PRIOR_CONDITIONS, Golden


def random_log_mel(batch: int = 6, frames: int = 20) -> torch.Tensor:
    return torch.randn(batch, 8, frames) - 4


@pytest.mark.parametrize("name", PRIOR_CONDITIONS)
def test_energy_and_std_are_the_published_ones(name: str) -> None:
    golden = Golden(name)
    mel, energy, std = (golden.tensors[key] for key in ("mel", "energy", "std"))
    estimator = MelEnergyEstimator(hop_length=256)
    estimator.energy_min.copy_(golden.tensors["energy_min"].squeeze())
    torch.testing.assert_close(estimator.frame_std(mel), std, rtol=1e-6, atol=1e-6)
    expected = std.repeat_interleave(256, dim=1)[:, None]
    torch.testing.assert_close(estimator(mel).std, expected, rtol=1e-6, atol=1e-6)
    fitted = MelEnergyEstimator().fit([mel])
    torch.testing.assert_close(fitted.energy_min, energy.min(), rtol=1e-6, atol=1e-6)


def test_the_std_follows_the_energy_between_floor_and_ceiling() -> None:
    # One band, so that the energy is exp(log-mel / 2).
    energies = torch.tensor([0.5, 1.0, 2.0, 3.0, 5.0])
    estimator = MelEnergyEstimator(hop_length=2, ceiling=3.0, floor=0.3).fit([2 * energies.log()[None, None]])
    expected = torch.tensor([[0.3, 0.3, 0.6, 1.0, 1.0]])
    torch.testing.assert_close(estimator.frame_std(2 * energies.log()[None, None]), expected)
    prior = estimator(2 * energies.log()[None, None])
    assert prior.mean == 0
    torch.testing.assert_close(prior.std, expected.repeat_interleave(2, dim=1)[None])


@given(cuts=st.lists(st.integers(0, 6), max_size=4).map(sorted), seed=st.integers(0, 100), data=st.data())
@settings(deadline=None)
def test_fitting_does_not_depend_on_the_batches(cuts: list[int], seed: int, data: st.DataObject) -> None:
    log_mel = torch.randn(6, 8, 20, generator=torch.Generator().manual_seed(seed)) - 4
    shares = data.draw(st.permutations(list(log_mel.tensor_split(cuts))))
    expected = MelEnergyEstimator().fit([log_mel]).energy_min
    assert torch.equal(MelEnergyEstimator().fit(shares).energy_min, expected)
    assert torch.equal(
        MelEnergyEstimator().fit(frame for frame in log_mel.split(1, dim=2)).energy_min, expected
    )


def test_waveforms_beside_the_frames_are_no_hindrance() -> None:
    log_mel = random_log_mel()
    fitted = MelEnergyEstimator().fit([(log_mel, torch.zeros(6, 1, 20 * 256))])
    assert torch.equal(fitted.energy_min, MelEnergyEstimator().fit([log_mel]).energy_min)


def test_a_saved_estimator_gives_the_same_prior(tmp_path: Path) -> None:
    estimator = MelEnergyEstimator(hop_length=4, ceiling=2.0, floor=0.05).fit([random_log_mel()])
    estimator.save_pretrained(tmp_path)
    assert (tmp_path / "diffusion_pytorch_model.safetensors").is_file()
    log_mel = random_log_mel(2)
    assert torch.equal(MelEnergyEstimator.from_pretrained(tmp_path)(log_mel).std, estimator(log_mel).std)


def test_an_estimator_that_knows_no_data_says_so(tmp_path: Path) -> None:
    MelEnergyEstimator().save_pretrained(tmp_path)
    for estimator in (MelEnergyEstimator(), MelEnergyEstimator.from_pretrained(tmp_path)):
        with pytest.raises(ValueError, match="has not been fitted: call fit"):
            estimator(random_log_mel())


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "there is no data to fit"),
        ([torch.zeros(1, 8, 0)], "there is no data to fit"),
        ([torch.full((1, 8, 3), 5.0)], "the smallest frame energy is 4, expected a value below ceiling=4.0"),
        ([torch.full((1, 8, 3), float("nan"))], "holds 3 NaN"),
        ([torch.zeros(8, 3)], "log_mel has shape (8, 3), expected (batch, n_mels, frames)"),
    ],
)
def test_data_that_cannot_be_fitted_are_an_error(batches: list[torch.Tensor], message: str) -> None:
    estimator = MelEnergyEstimator()
    with pytest.raises(ValueError, match=re.escape(message)):
        estimator.fit(batches)
    assert estimator.energy_min.isnan()


@pytest.mark.parametrize("config", [{"hop_length": 0}, {"ceiling": 0.0}, {"floor": -0.1}, {"floor": 0.0}])
def test_a_configuration_that_is_not_positive_is_an_error(config: dict) -> None:
    ((name, value),) = config.items()
    with pytest.raises(ValueError, match=re.escape(f"{name}={value} must be positive")):
        MelEnergyEstimator(**config)
