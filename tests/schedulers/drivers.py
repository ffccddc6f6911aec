"""How each scheduler of diffusers samples: the loop of its pipeline, on tensors alone.

A scheduler that is not named here, such as one that a newer diffusers adds, runs through `sample_plainly`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import diffusers
import pytest
import torch
from packaging.version import Version
from torch import Tensor

from priordiff.schedulers import prior_scheduler_class, refusal, scheduler_classes

BATCH = 3
STEPS = 5
HAS_EVERY_SCHEDULER = "0.42"  # of those that tests name: the diffusers from which on none may be missing

# From the model's input and the timestep to the model's output.
Network = Callable[[Tensor, Any], Tensor]
# scheduler, network, white noise, generator, number of steps -> states, the first of them before any step
Sample = Callable[[Any, Network, Tensor, torch.Generator, int], list[Tensor]]

SUPPORTED = [name for name, plain in scheduler_classes().items() if refusal(plain) is None]


def model_input(scheduler: Any, x: Tensor, t: Any) -> Tensor:
    """What the network sees; flow-matching schedulers have no method for it."""
    return scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x


def initial_state(scheduler: Any, white_noise: Tensor) -> Tensor:
    """The state before the first step; flow-matching schedulers have no `init_noise_sigma`."""
    return white_noise * getattr(scheduler, "init_noise_sigma", 1.0)


def run_steps(
    scheduler: Any,
    network: Network,
    x: Tensor,
    generator: torch.Generator | list[torch.Generator],
    timesteps: Any = None,
    **options: Any,
) -> list[Tensor]:
    """Steps from a state through the scheduler's timesteps, or those given; `options` are of `step`."""
    if "generator" in inspect.signature(scheduler.step).parameters:
        options["generator"] = generator
    states = [x]
    for t in scheduler.timesteps if timesteps is None else timesteps:
        output = network(model_input(scheduler, states[-1], t), t)
        states.append(scheduler.step(output, t, states[-1], **options)[0])
    return states


def sample_plainly(
    scheduler: Any, network: Network, white_noise: Tensor, generator: torch.Generator, steps: int
) -> list[Tensor]:
    """The loop of most pipelines."""
    scheduler.set_timesteps(steps)
    return run_steps(scheduler, network, initial_state(scheduler, white_noise), generator)


def _two_steps(
    scheduler: Any, network: Network, white_noise: Tensor, generator: torch.Generator, steps: int
) -> list[Tensor]:
    return sample_plainly(scheduler, network, white_noise, generator, steps=2)


def _scm(
    scheduler: Any, network: Network, white_noise: Tensor, generator: torch.Generator, steps: int
) -> list[Tensor]:
    scheduler.set_timesteps(steps, intermediate_timesteps=None)
    x = initial_state(scheduler, white_noise * scheduler.config.sigma_data)
    return run_steps(scheduler, network, x, generator, scheduler.timesteps[:-1])


def _wuerstchen(
    scheduler: Any, network: Network, white_noise: Tensor, generator: torch.Generator, steps: int
) -> list[Tensor]:
    scheduler.set_timesteps(steps)
    timesteps = [t.expand(len(white_noise)) for t in scheduler.timesteps[:-1]]
    return run_steps(scheduler, network, initial_state(scheduler, white_noise), generator, timesteps)


def _cogvideox_dpm(
    scheduler: Any, network: Network, white_noise: Tensor, generator: torch.Generator, steps: int
) -> list[Tensor]:
    scheduler.set_timesteps(steps)
    states, x0, before = [initial_state(scheduler, white_noise)], None, None
    for t in scheduler.timesteps:
        output = network(model_input(scheduler, states[-1], t), t)
        x, x0 = scheduler.step(output, x0, t, before, states[-1], generator=generator, return_dict=False)
        states.append(x)
        before = t
    return states


def _repaint(
    scheduler: Any, network: Network, white_noise: Tensor, generator: torch.Generator, steps: int
) -> list[Tensor]:
    scheduler.set_timesteps(steps, jump_length=2, jump_n_sample=2)
    x = initial_state(scheduler, white_noise)
    known, prior = white_noise.roll(1, -1), getattr(scheduler, "prior", None)
    known = known if prior is None else prior.to_data(known)
    mask = (torch.arange(x.shape[-1], device=x.device) % 3 == 0).to(x.dtype)
    states, last = [x], scheduler.timesteps[0] + 1
    for t in scheduler.timesteps:
        if t < last:
            output = network(model_input(scheduler, states[-1], t), t)
            states.append(scheduler.step(output, t, states[-1], known, mask, generator)[0])
        else:
            states.append(scheduler.undo_step(states[-1], last, generator))
        last = t
    return states


def _karras_ve(
    scheduler: Any, network: Network, white_noise: Tensor, generator: torch.Generator, steps: int
) -> list[Tensor]:
    scheduler.set_timesteps(steps)
    states = [initial_state(scheduler, white_noise)]
    for t in scheduler.timesteps:
        sigma = scheduler.schedule[t]
        sigma_prev = scheduler.schedule[t - 1] if t > 0 else 0
        x_hat, sigma_hat = scheduler.add_noise_to_input(states[-1], sigma, generator=generator)
        output = network(model_input(scheduler, x_hat, sigma_hat), sigma_hat)
        step = scheduler.step(output, sigma_hat, sigma_prev, x_hat)
        if sigma_prev != 0:
            output = network(model_input(scheduler, step.prev_sample, sigma_prev), sigma_prev)
            step = scheduler.step_correct(
                output, sigma_hat, sigma_prev, x_hat, step.prev_sample, step["derivative"]
            )
        states += [x_hat, step.prev_sample]
    return states


def _score_sde_ve(
    scheduler: Any, network: Network, white_noise: Tensor, generator: torch.Generator, steps: int
) -> list[Tensor]:
    scheduler.set_timesteps(steps)
    scheduler.set_sigmas(steps)
    states = [initial_state(scheduler, white_noise)]
    for t, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=True):
        output = network(model_input(scheduler, states[-1], t), sigma)
        states.append(scheduler.step_correct(output, states[-1], generator).prev_sample)
        output = network(model_input(scheduler, states[-1], t), sigma)
        states.append(scheduler.step_pred(output, t, states[-1], generator)[0])
    return states


def _score_sde_vp(
    scheduler: Any, network: Network, white_noise: Tensor, generator: torch.Generator, steps: int
) -> list[Tensor]:
    scheduler.set_timesteps(steps)
    states = [initial_state(scheduler, white_noise)]
    for t in scheduler.timesteps:
        output = network(model_input(scheduler, states[-1], t), t)
        states.append(scheduler.step_pred(output, states[-1], t, generator=generator)[0])
    return states


def _helios_dmd(
    scheduler: Any, network: Network, white_noise: Tensor, generator: torch.Generator, steps: int
) -> list[Tensor]:
    scheduler.set_timesteps(steps)
    states = [initial_state(scheduler, white_noise)]
    tables = {
        "dmd_noisy_tensor": states[0],
        "dmd_sigmas": scheduler.sigmas,
        "dmd_timesteps": scheduler.timesteps,
        "all_timesteps": scheduler.timesteps,
    }
    for index, t in enumerate(scheduler.timesteps):
        output = network(model_input(scheduler, states[-1], t), t)
        states.append(scheduler.step(output, t, states[-1], cur_sampling_step=index, **tables)[0])
    return states


def _rfd4_proteina(
    scheduler: Any, network: Network, white_noise: Tensor, generator: torch.Generator, steps: int
) -> list[Tensor]:
    scheduler.set_timesteps(steps)
    everything = torch.ones(white_noise.shape[:2], dtype=torch.bool, device=white_noise.device)
    seeds = torch.randint(1000, (len(white_noise),), generator=generator).tolist()
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    x = initial_state(scheduler, white_noise)
    return run_steps(scheduler, network, x, generators, emit_mask=everything)


@dataclass(frozen=True)
class Driver:
    """What one scheduler needs in order to run.

    Args:
        sample: its loop.
        config: what its constructor needs, besides the defaults.
        event: the shape of one event.
    """

    sample: Sample = sample_plainly
    config: dict[str, Any] = field(default_factory=dict)
    event: tuple[int, ...] = (2, 8)


_SHORT = {"num_train_timesteps": 100}  # where a step or the constructor takes long with 1000
_ONE_STAGE = {"stages": 1, "stage_range": [0, 1]}
_PROTEIN = {"schedule_mode": "power", "noise_mode": "tan", "tsr_k": 1.5, "tsr_sigma": 0.5, "tail_steps": 0}
_DRIVERS = {
    "CogVideoXDPMScheduler": Driver(_cogvideox_dpm),
    "ConsistencyDecoderScheduler": Driver(_two_steps),
    "DDPMWuerstchenScheduler": Driver(_wuerstchen),
    "HeliosDMDScheduler": Driver(_helios_dmd, _ONE_STAGE, (2, 1, 2, 4)),
    "HeliosScheduler": Driver(config=_ONE_STAGE),
    "KDPM2AncestralDiscreteScheduler": Driver(config=_SHORT),
    "KDPM2DiscreteScheduler": Driver(config=_SHORT),
    "KarrasVeScheduler": Driver(_karras_ve),
    "RFD4ProteinaScheduler": Driver(_rfd4_proteina, _PROTEIN),
    "RePaintScheduler": Driver(_repaint, _SHORT),
    "SCMScheduler": Driver(_scm),
    "ScoreSdeVeScheduler": Driver(_score_sde_ve, _SHORT, (1, 2, 8)),
    "ScoreSdeVpScheduler": Driver(_score_sde_vp),
}


def driver_of(name: str) -> Driver:
    return _DRIVERS.get(name, Driver())


def plain_class(name: str) -> Any:
    """A scheduler class of diffusers; skips the test if the installed diffusers is older than it."""
    classes = scheduler_classes()
    if name not in classes and Version(diffusers.__version__) < Version(HAS_EVERY_SCHEDULER):
        pytest.skip(f"diffusers {diffusers.__version__} has no {name}")
    return classes[name]


@cache
def parameters_of(name: str) -> dict[str, Any]:
    """The parameters of a scheduler's constructor, and their defaults."""
    signature = inspect.signature(plain_class(name).__init__)
    return {key: value.default for key, value in signature.parameters.items() if key != "self"}


def make(name: str, prior: bool = False, seed: int = 0, **config: Any) -> Any:
    """A scheduler by the name of its plain class: that class, or its sibling with a prior's place."""
    plain = plain_class(name)
    seeds = {"noise_sampler_seed": seed} if "noise_sampler_seed" in parameters_of(name) else {}
    return (prior_scheduler_class(plain) if prior else plain)(**{**driver_of(name).config, **seeds, **config})


def without_clipping(name: str) -> dict[str, bool]:
    """What keeps a scheduler from clipping, which acts on data and has no counterpart in white space."""
    return {
        key: False for key, value in parameters_of(name).items() if key.startswith("clip") and value is True
    }


def sample(
    scheduler: Any, network: Network, white_noise: Tensor, seed: int = 0, steps: int = STEPS
) -> list[Tensor]:
    """The states of one sampling, by the scheduler's own loop."""
    plain = getattr(scheduler, "plain_class", type(scheduler))
    generator = torch.Generator().manual_seed(seed)
    return driver_of(plain.__name__).sample(scheduler, network, white_noise, generator, steps)


def white_noise_for(name: str, dtype: torch.dtype = torch.float64, batch: int = BATCH) -> Tensor:
    random = torch.Generator().manual_seed(7)
    return torch.randn(batch, *driver_of(name).event, generator=random, dtype=torch.float64).to(dtype)


@cache
def adds_noise(name: str) -> bool:
    """Whether a scheduler's own steps are random, as it is configured by default."""
    ends = [sample(make(name, seed=seed), lambda z, t: z, white_noise_for(name), seed)[-1] for seed in (0, 1)]
    return not torch.equal(*ends)
