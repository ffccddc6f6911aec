"""The sibling of a scheduler is that scheduler, with a place for a prior."""

from __future__ import annotations

import copy
import inspect
import logging
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import ConfigMixin, DDIMScheduler, DDPMPipeline, DiffusionPipeline, SchedulerMixin, UNet2DModel
from diffusers.configuration_utils import register_to_config
from diffusers.utils import dummy_torch_and_torchsde_objects as without_torchsde
from diffusers.utils import logging as diffusers_logging

import priordiff
from priordiff import DiagonalPrior, with_prior
from priordiff.schedulers import prior_scheduler_class, refusal, scheduler_classes
from tests.schedulers.drivers import SUPPORTED, driver_of, make, run_steps, sample, white_noise_for
from tests.schedulers.identity import EXACT, deviation, diagonal_prior
from tests.schedulers.networks import network_for, white_network

REFUSED = {name: reason for name, plain in scheduler_classes().items() if (reason := refusal(plain))}


# SA-Solver keeps a function that it has made itself.
PICKLED = [name for name in SUPPORTED if name != "SASolverScheduler"]


class HalvingScheduler(SchedulerMixin, ConfigMixin):
    """A user's own: each step halves the state and adds the network's output."""

    order = 1

    @register_to_config
    def __init__(self, num_train_timesteps: int = 10) -> None:
        self.timesteps = torch.arange(num_train_timesteps).flip(0)

    def set_timesteps(self, num_inference_steps: int) -> None:
        self.timesteps = torch.arange(num_inference_steps).flip(0)

    def step(self, model_output: torch.Tensor, timestep: int, sample: torch.Tensor) -> tuple[torch.Tensor]:
        return (sample / 2 + model_output,)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What diffusers warns of."""
    diffusers_logging.enable_propagation()
    with caplog.at_level(logging.WARNING):
        yield caplog
    diffusers_logging.disable_propagation()


def test_every_scheduler_of_diffusers_is_either_supported_or_refused() -> None:
    found = {
        name
        for name, value in vars(diffusers).items()
        if isinstance(value, type)
        and issubclass(value, SchedulerMixin)
        and value is not SchedulerMixin
        # A spectrogram is one, too, so that it can be saved.
        and value.__module__.startswith("diffusers.schedulers.")
    }
    assert found <= set(SUPPORTED) | set(REFUSED)
    assert {"DDPMScheduler", "UniPCMultistepScheduler", "FlowMatchEulerDiscreteScheduler"} <= set(SUPPORTED)
    assert {"VQDiffusionScheduler", "AmusedScheduler"} <= set(REFUSED)


@pytest.mark.parametrize("name", SUPPORTED)
def test_a_sibling_is_an_instance_of_the_original(name: str) -> None:
    plain, sibling = make(name), make(name, prior=True)
    assert isinstance(sibling, type(plain))
    assert type(sibling) is getattr(priordiff, f"PriorGrad{name}")
    assert getattr(sibling, "order", None) == getattr(plain, "order", None)
    assert dict(sibling.config) == dict(plain.config)
    assert set(sibling.compatibles) == set(plain.compatibles)
    assert sibling.prior is None


@pytest.mark.parametrize("name", SUPPORTED)
def test_a_sibling_has_the_signatures_of_the_original(name: str) -> None:
    plain = scheduler_classes()[name]
    sibling = prior_scheduler_class(plain)
    for method, function in inspect.getmembers(plain, inspect.isroutine):
        if not method.startswith("_"):
            assert inspect.signature(getattr(sibling, method)) == inspect.signature(function), method
    ours = dict(inspect.signature(sibling.__init__).parameters)
    assert ours.pop("model_space").default == "centered"
    assert ours == dict(inspect.signature(plain.__init__).parameters)


@pytest.mark.parametrize("name", SUPPORTED)
def test_a_configuration_goes_both_ways(name: str, warnings: pytest.LogCaptureFixture) -> None:
    plain, sibling = make(name), make(name, prior=True)
    assert dict(type(sibling).from_config(plain.config).config) == dict(sibling.config)
    assert dict(type(plain).from_config(sibling.config).config) == dict(plain.config)
    assert not warnings.records
    in_white = make(name, prior=True, model_space="white")
    assert type(sibling).from_config(in_white.config).model_space == "white"
    assert type(plain).from_config(in_white.config).config.items() >= plain.config.items()


def test_a_configuration_goes_to_compatible_schedulers_with_the_model_s_space() -> None:
    scheduler = make("DDIMScheduler", prior=True, model_space="data", beta_end=0.01)
    other = priordiff.PriorGradDPMSolverMultistepScheduler.from_config(scheduler.config)
    assert (other.model_space, other.config.beta_end) == ("data", 0.01)


@pytest.mark.parametrize("model_space", ["centered", "white"])
@pytest.mark.parametrize("name", SUPPORTED)
def test_a_saved_sibling_is_loaded_as_one_and_as_the_original(
    name: str, model_space: str, tmp_path: Path
) -> None:
    sibling = make(name, prior=True, model_space=model_space)
    sibling.set_prior(diagonal_prior(driver_of(name).event))
    sibling.save_pretrained(tmp_path)
    loaded = type(sibling).from_pretrained(tmp_path)
    assert type(loaded) is type(sibling)
    assert loaded.model_space == model_space
    assert loaded.prior is None
    assert type(sibling.plain_class.from_pretrained(tmp_path)) is sibling.plain_class


def test_another_process_loads_pipelines_and_pickles(tmp_path: Path) -> None:
    unet = UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
    )
    scheduler = with_prior(diffusers.DDPMScheduler(beta_end=0.01), model_space="white")
    DDPMPipeline(unet, scheduler).save_pretrained(tmp_path)
    again = DiffusionPipeline.from_pretrained(tmp_path).scheduler
    assert type(again) is priordiff.PriorGradDDPMScheduler
    siblings = {name: make(name, prior=True, model_space="data") for name in PICKLED}
    (tmp_path / "siblings.pickle").write_bytes(pickle.dumps(siblings))
    program = f"""
import pathlib, pickle, priordiff
from diffusers import DiffusionPipeline
pipe = DiffusionPipeline.from_pretrained({str(tmp_path)!r})
print(type(pipe.scheduler).__name__, pipe.scheduler.model_space, pipe.scheduler.config.beta_end)
for name, sibling in pickle.loads(pathlib.Path({str(tmp_path / "siblings.pickle")!r}).read_bytes()).items():
    print(name, type(sibling).__name__, sibling.model_space)
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    lines = [f"{name} PriorGrad{name} data" for name in PICKLED]
    assert finished.stdout.splitlines() == ["PriorGradDDPMScheduler white 0.01", *lines], finished.stderr


@pytest.mark.parametrize("name", SUPPORTED)
def test_a_copy_goes_on_alone(name: str) -> None:
    scheduler, prior = make(name, prior=True), diagonal_prior(driver_of(name).event)
    scheduler.set_prior(prior)
    copies = [copy.deepcopy(scheduler)]
    if name in PICKLED:
        copies.append(pickle.loads(pickle.dumps(scheduler)))
    expected = sample(make(name), white_network, white_noise_for(name))
    for other in copies:
        assert other.prior is not prior
        other.set_prior(None)
        assert scheduler.prior is prior
        states = sample(other, white_network, white_noise_for(name))
        assert all(torch.equal(x, z) for x, z in zip(states, expected, strict=True))


@pytest.mark.parametrize("name", ["DDIMScheduler", "CMStochasticIterativeScheduler", "DPMSolverSDEScheduler"])
def test_two_threads_do_not_share_a_prior(name: str) -> None:
    def run(std: float) -> torch.Tensor:
        scheduler = make(name, prior=True)
        scheduler.set_prior(DiagonalPrior(torch.full((1, 2, 8), std, dtype=torch.float64), std))
        return torch.stack([sample(scheduler, white_network, white_noise_for(name))[-1] for _ in range(8)])

    stds = [0.2, 0.5, 1.0, 2.0]
    expected = [run(std) for std in stds]
    with ThreadPoolExecutor(len(stds)) as pool:
        results = list(pool.map(run, stds))
    assert all(torch.equal(x, y) for x, y in zip(results, expected, strict=True))


@pytest.mark.parametrize("name", ["DDIMScheduler", "UniPCMultistepScheduler", "HeunDiscreteScheduler"])
def test_with_prior_keeps_the_state_and_leaves_the_original_as_it_is(name: str) -> None:
    expected = sample(make(name), white_network, white_noise_for(name))
    plain, random = make(name), torch.Generator().manual_seed(0)
    plain.set_timesteps(5)
    states = run_steps(plain, white_network, expected[0], random, plain.timesteps[:3])
    sibling = with_prior(plain)
    assert torch.equal(sibling.timesteps, plain.timesteps)
    for scheduler in (sibling, plain):
        rest = run_steps(scheduler, white_network, states[-1], random, plain.timesteps[3:])
        assert torch.equal(rest[-1], expected[-1])
        sibling.set_prior(diagonal_prior((2, 8)))


def test_with_prior_of_a_sibling_is_another_one() -> None:
    sibling = make("DDIMScheduler", prior=True, model_space="data")
    sibling.set_prior(diagonal_prior((2, 8)))
    other = with_prior(sibling, model_space="white")
    assert type(other) is type(sibling)
    assert (other.model_space, sibling.model_space) == ("white", "data")
    other.set_prior(None)
    assert sibling.prior is not None
    assert with_prior(sibling).model_space == "data"


def test_a_user_s_own_scheduler_gets_a_prior_too() -> None:
    class EagerScheduler(DDIMScheduler):
        def step(self, *args: Any, **kwargs: Any) -> Any:
            output = super().step(*args, **kwargs)
            output.prev_sample = output.prev_sample * 0.5 + output.pred_original_sample * 0.5
            return output

    prior, white_noise = diagonal_prior((2, 8)), white_noise_for("DDIMScheduler")
    random = torch.Generator().manual_seed(0)
    for plain in (HalvingScheduler(), EagerScheduler(clip_sample=False)):
        sibling = with_prior(plain)
        assert isinstance(sibling, type(plain))
        sibling.set_prior(prior)
        states = []
        for scheduler, network in ((plain, white_network), (sibling, network_for(sibling, prior))):
            scheduler.set_timesteps(5)
            x = white_noise * getattr(scheduler, "init_noise_sigma", 1.0)
            states.append(run_steps(scheduler, network, x, random))
        assert deviation(states[1], states[0], prior) < EXACT


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_have_a_prior_is_refused_with_the_reason(name: str) -> None:
    reason = REFUSED[name]
    with pytest.raises(TypeError) as error:
        prior_scheduler_class(scheduler_classes()[name])
    assert str(error.value) == f"{name} cannot have a Gaussian prior: {reason}"
    with pytest.raises(AttributeError, match=f"priordiff has no PriorGrad{name}: ") as missing:
        getattr(priordiff, f"PriorGrad{name}")
    assert reason in str(missing.value)


def test_discrete_tokens_and_several_outputs_are_what_is_refused() -> None:
    assert "discrete tokens" in REFUSED["VQDiffusionScheduler"]
    reasons = set(REFUSED.values())
    assert all("discrete tokens" in reason or "not one tensor" in reason for reason in reasons)


@pytest.mark.parametrize("thing", [torch.ones(3), DDIMScheduler, "DDIMScheduler", None])
def test_with_prior_of_anything_else_is_an_error_in_one_line(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"\A.* cannot have a Gaussian prior: it is not a scheduler.*\Z"):
        with_prior(thing)


@pytest.mark.parametrize("name", ["PriorGradNoSuchScheduler", "PriorGradUNet2DModel", "NoSuchThing"])
def test_other_names_are_no_attributes(name: str) -> None:
    assert not hasattr(priordiff, name)
    with pytest.raises(ImportError):
        exec(f"from priordiff import {name}")


def test_a_scheduler_without_its_library_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    dummy = without_torchsde.DPMSolverSDEScheduler
    monkeypatch.setattr(diffusers.schedulers, "DPMSolverSDEScheduler", dummy)
    assert "DPMSolverSDEScheduler" not in scheduler_classes()
    with pytest.raises(AttributeError, match="pip install torch torchsde"):
        _ = priordiff.PriorGradDPMSolverSDEScheduler


def test_an_unknown_model_space_is_an_error_where_it_enters() -> None:
    for make_scheduler in (
        lambda: make("DDIMScheduler", prior=True, model_space="latent"),
        lambda: with_prior(DDIMScheduler(), model_space="latent"),
    ):
        with pytest.raises(
            ValueError, match="model_space='latent', expected one of 'centered', 'data', 'white'"
        ):
            make_scheduler()
