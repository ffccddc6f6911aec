"""On a make-believe accelerator, nothing mixes devices or waits unseen, and results are those of the CPU."""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from priordiff import DiagonalPrior, prior_loss
from priordiff.audio import LogMelSpectrogram
from priordiff.value_checks import without_value_checks
from tests.accelerator.cases import ESTIMATORS, NETWORKS, Case, call, estimator_case, random
from tests.accelerator.simulated import DEVICE, SimulatedDevice, on_cpu, on_device
from tests.priors import cases as prior_cases
from tests.schedulers.drivers import SUPPORTED, driver_of, make, sample, white_noise_for
from tests.schedulers.identity import diagonal_prior
from tests.schedulers.networks import white_network

# What has to look at values, and so to wait, even where those that it is given are not checked.
SOLVES, FACTORS = "conjugate_gradients:conjugate_gradients", "parameters:cholesky_root"
WAITS_OF_PRIORS = {
    "isotropic": {"gaussian:log_prob", "gaussian:<genexpr>"},  # whose determinant is a number on the CPU
    "stft": {SOLVES, "stft_determinant:stft_log_det"},
    "dense": {FACTORS},
    "kronecker": {FACTORS},
    "padded": {FACTORS, "padded:_axis_and_lengths"},
}
WAITS_OF_ESTIMATORS = {
    "SpecGradEstimator": {SOLVES},
    "AxisCovarianceEstimator": {FACTORS},
    "VideoNoiseEstimator": {FACTORS},
}

# Which mix devices without a prior as well, or ask torch for an accelerator that there is.
FAIL_PLAIN = {
    "ConsistencyDecoderScheduler",
    "CosineDPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
    "HeliosScheduler",
}
# Which do so unless their timesteps are on the CPU.
TIMESTEPS_ON_CPU = {"EDMDPMSolverMultistepScheduler", "KarrasVeScheduler", "ScoreSdeVeScheduler"}


def assert_same(ours: Any, theirs: Any, **tolerance: float) -> None:
    torch.testing.assert_close(on_cpu(ours), theirs, **(tolerance or {"rtol": 1e-4, "atol": 1e-5}))


def waits_of(case: Case) -> Counter[str]:
    """Where a module waits in a call and its way back, which give what they give on the CPU."""
    module, given = case
    expected = call(module, given)
    with SimulatedDevice() as device, without_value_checks():
        result = call(on_device(module), on_device(given))
    assert_same(result, expected)
    assert all(value.device == DEVICE for part in result for value in part.values())
    return device.waits


@pytest.mark.parametrize("name", prior_cases.PRIORS)
def test_priors(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.randn(3, *prior_cases.EVENT, dtype=torch.float64)

    def results(z: Tensor) -> list[Tensor]:
        prior = prior_cases.PRIORS[name](3)
        prior.require_fit(z)
        x = prior.to_data(z)
        spread = prior_cases.positive(1, *prior_cases.EVENT)
        divergence = prior.kl_divergence(DiagonalPrior(0.0 * spread, spread))
        return [x, prior.to_white(x), prior.log_prob(x), prior.variance(prior_cases.EVENT), divergence]

    expected = results(z)
    with SimulatedDevice() as device, without_value_checks():
        for made in ("random", "positive", "first_elements"):
            plain = getattr(prior_cases, made)
            monkeypatch.setattr(prior_cases, made, lambda *a, plain=plain, **k: on_device(plain(*a, **k)))
        result = results(on_device(z))
    assert_same(result, expected, rtol=1e-12, atol=1e-12)
    assert set(device.waits) <= WAITS_OF_PRIORS.get(name.partition(",")[0], set()), device.waits


@pytest.mark.parametrize("name", prior_cases.PRIORS)
def test_priors_move(name: str) -> None:
    prior, z = prior_cases.PRIORS[name](3), torch.randn(3, *prior_cases.EVENT, dtype=torch.float64)
    with SimulatedDevice():
        moved = prior.to(DEVICE).prepared()
        assert_same(moved.to_data(on_device(z)), prior.to_data(z), rtol=1e-12, atol=1e-12)
        sampled = moved.sample((3, *prior_cases.EVENT), generator=torch.Generator().manual_seed(1))
        assert sampled.device == DEVICE
        assert_same(sampled, prior.sample((3, *prior_cases.EVENT), torch.Generator().manual_seed(1)))


@pytest.mark.filterwarnings("ignore")  # diffusers', of what it is configured to
@pytest.mark.parametrize("name", [name for name in SUPPORTED if name not in FAIL_PLAIN])
def test_schedulers(name: str) -> None:
    noise = white_noise_for(name, torch.float32)
    prior = diagonal_prior(driver_of(name).event).to(torch.float32)

    def states(there: bool, with_prior: bool, noise: Tensor) -> list[Tensor]:
        scheduler = make(name, prior=with_prior)
        if with_prior:
            scheduler.set_prior(prior.to(noise.device))
        plain = inspect.signature(make(name).set_timesteps).parameters
        if there and "device" in plain and name not in TIMESTEPS_ON_CPU:
            scheduler.set_timesteps = functools.partial(scheduler.set_timesteps, device=DEVICE)
        return sample(scheduler, white_network, noise)

    expected = states(False, True, noise)
    with SimulatedDevice() as plain_device:
        states(True, False, on_device(noise))
    with SimulatedDevice() as device:
        result = states(True, True, on_device(noise))
    assert_same(result, expected, rtol=0, atol=0)
    del device.waits["batched:<lambda>"]  # where the prior moved
    # Once for each shape: whether the prior can be prepared.
    assert device.waits.pop("diagonal:is_finite", 0) <= 2
    assert device.waits == plain_device.waits, "under a prior, a solver waits for nothing more"


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str) -> None:
    assert waits_of(NETWORKS[name]()) == {}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators(name: str) -> None:
    assert set(waits_of(estimator_case(name))) <= WAITS_OF_ESTIMATORS.get(name, set())


@pytest.mark.parametrize("norm", ["l2", "l1", "huber"])
def test_losses(norm: Any) -> None:
    prior, mask = prior_cases.PRIORS["lapped"](3).to(torch.float32), prior_cases.first_elements(3)
    given = random(3, 2, 8), random(3, 2, 8, seed=1), random(3, seed=2).abs()

    def loss(prior: Any, mask: Tensor, prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        return prior_loss(prediction, target, prior, mask, weight, norm)

    expected = loss(prior, mask, *given)
    with SimulatedDevice() as device:
        moved = prior.to(DEVICE)
        device.waits.clear()
        assert_same(loss(moved, on_device(mask), *on_device(given)), expected)
    assert device.waits == {}


def test_mel_spectrograms() -> None:
    log_mel = LogMelSpectrogram(n_fft=64, hop_length=16, win_length=64, n_mels=8)
    assert waits_of((log_mel, {"waveform": random(2, 160)})) == {}
