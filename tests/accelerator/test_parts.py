"""Priors, schedulers, networks, estimators and pipelines give on an accelerator what they give on the CPU."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from priordiff import prior_loss
from priordiff.audio import LogMelSpectrogram
from priordiff.value_checks import without_value_checks
from tests.accelerator.cases import ESTIMATORS, NETWORKS, call, estimator_case, random
from tests.accelerator.on_device import assert_close, moved, no_waits
from tests.accelerator.pipelines import PIPELINES
from tests.accelerator.test_simulated_parts import TIMESTEPS_ON_CPU, WAITS_OF_ESTIMATORS, WAITS_OF_PRIORS
from tests.priors import cases as prior_cases
from tests.schedulers.drivers import SUPPORTED, driver_of, make, sample, white_noise_for
from tests.schedulers.identity import diagonal_prior
from tests.schedulers.networks import white_network

pytestmark = [
    pytest.mark.accelerator,
    pytest.mark.filterwarnings("ignore:log-mel frames range"),
]

SHAPE = (3, *prior_cases.EVENT)


@pytest.mark.parametrize("name", prior_cases.PRIORS)
def test_priors(name: str, accelerator: torch.device) -> None:
    prior, z = prior_cases.PRIORS[name](3).to(torch.float32), random(*SHAPE)
    there = prior.to(accelerator)
    x = prior.to_data(z)
    assert_close(there.to_data(z.to(accelerator)), x)
    assert_close(there.to_white(x.to(accelerator)), prior.to_white(x), atol=1e-3)
    assert_close(there.log_prob(x.to(accelerator)), prior.log_prob(x), atol=1e-2)
    assert_close(there.variance(prior_cases.EVENT), prior.variance(prior_cases.EVENT))


@pytest.mark.parametrize("name", ["diagonal", "lapped", "low rank"])
def test_samples_by_generators_of_either_side(name: str, accelerator: torch.device) -> None:
    prior = prior_cases.PRIORS[name](3).to(torch.float32)
    there = prior.to(accelerator)
    drawn_on_cpu = there.sample(SHAPE, generator=torch.Generator().manual_seed(1))
    assert drawn_on_cpu.device == accelerator
    assert_close(drawn_on_cpu, prior.sample(SHAPE, torch.Generator().manual_seed(1)))
    first, second = (there.sample(SHAPE, torch.Generator(accelerator).manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    from_there = prior.sample(SHAPE, torch.Generator(accelerator).manual_seed(1), device="cpu")
    assert_close(first, from_there)


@pytest.mark.parametrize("name", prior_cases.PRIORS)
def test_priors_wait_for_nothing(name: str, cuda: torch.device) -> None:
    if name.partition(",")[0] in WAITS_OF_PRIORS:
        pytest.skip("it has to look at values")
    prior, z = prior_cases.PRIORS[name](3).to(torch.float32).to(cuda), random(*SHAPE).to(cuda)
    prior.to_white(prior.to_data(z))  # what is made once
    with no_waits():
        prior.to_white(prior.to_data(z))


@pytest.mark.filterwarnings("ignore")  # diffusers', of what it is configured to
@pytest.mark.parametrize("name", SUPPORTED)
def test_schedulers(name: str, accelerator: torch.device) -> None:
    noise = white_noise_for(name, torch.float32)
    prior = diagonal_prior(driver_of(name).event).to(torch.float32)

    def last_state(device: torch.device, with_prior: bool) -> Tensor:
        scheduler = make(name, prior=with_prior)
        if with_prior:
            scheduler.set_prior(prior.to(device))
        if (
            "device" in inspect.signature(make(name).set_timesteps).parameters
            and name not in TIMESTEPS_ON_CPU
        ):
            scheduler.set_timesteps = functools.partial(scheduler.set_timesteps, device=device)
        return sample(scheduler, white_network, noise.to(device))[-1].cpu()

    cpu = torch.device("cpu")
    try:
        plain = last_state(accelerator, with_prior=False)
    except (RuntimeError, TypeError) as error:
        pytest.skip(f"without a prior it fails, too: {error}")
    expected = last_state(cpu, with_prior=False)
    if not torch.allclose(plain, expected, rtol=1e-3, atol=1e-3):
        pytest.skip("without a prior it draws other numbers there, too")
    assert_close(last_state(accelerator, with_prior=True), last_state(cpu, with_prior=True), atol=1e-2)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str, accelerator: torch.device) -> None:
    module, given = NETWORKS[name]()
    expected = call(module, given)
    module, given = moved(module, accelerator), moved(given, accelerator)
    assert_close(call(module, given), expected)
    if accelerator.type == "cuda":
        with no_waits(), without_value_checks():
            call(module, given)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_under_bfloat16_autocast(name: str, accelerator: torch.device) -> None:
    module, given = moved(NETWORKS[name](), accelerator)
    expected, _ = call(module, given)
    with torch.autocast(accelerator.type, torch.bfloat16):
        returned, gradients = call(module, given)
    for part, value in returned.items():
        error = (value.float() - expected[part]).norm() / expected[part].norm()
        assert error < 0.1, f"{part} is off by {error:.2g}"
    assert all(gradient.isfinite().all() for gradient in gradients.values())


@pytest.mark.parametrize("name", ["DiffWave", "MelConvNeXt"])
def test_networks_under_compilation(name: str, cuda: torch.device) -> None:
    torch._dynamo.reset()
    module, given = moved(NETWORKS[name](), cuda)
    with torch.no_grad():
        assert_close(torch.compile(module)(**given), module(**given))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators(name: str, accelerator: torch.device) -> None:
    module, given = estimator_case(name)
    expected = call(module, given)
    module, given = moved(module, accelerator), moved(given, accelerator)
    assert_close(call(module, given), expected, atol=1e-3)
    if accelerator.type == "cuda" and name not in WAITS_OF_ESTIMATORS:
        with no_waits(), without_value_checks():
            call(module, given)


@pytest.mark.parametrize("norm", ["l2", "l1", "huber"])
def test_losses(norm: Any, accelerator: torch.device) -> None:
    prior, mask = prior_cases.PRIORS["lapped"](3).to(torch.float32), prior_cases.first_elements(3)
    given = random(*SHAPE), random(*SHAPE, seed=1)
    there = moved(given, accelerator), prior.to(accelerator), mask.to(accelerator)
    assert_close(prior_loss(*there[0], *there[1:], norm=norm), prior_loss(*given, prior, mask, norm=norm))


def test_mel_spectrograms(accelerator: torch.device) -> None:
    log_mel, waveform = LogMelSpectrogram(), 0.1 * random(2, 8192)
    expected = log_mel(waveform)
    log_mel, waveform = log_mel.to(accelerator), waveform.to(accelerator)
    assert_close(log_mel(waveform), expected)
    if accelerator.type == "cuda":
        with no_waits():
            log_mel(waveform)


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines(name: str, accelerator: torch.device) -> None:
    make_pipeline, use = PIPELINES[name]
    expected, result = use(make_pipeline()), use(make_pipeline().to(accelerator))
    for ours, theirs in zip(result, expected, strict=True):
        np.testing.assert_allclose(np.asarray(moved(ours, torch.device("cpu"))), theirs, rtol=1e-2, atol=1e-3)
