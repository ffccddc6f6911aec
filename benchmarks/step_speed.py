"""What a prior costs per step: time and memory of a scheduler's `step`, side by side with the plain one.

    python benchmarks/step_speed.py

prints, for a latent and for a million samples of audio, the median time of a plain step, and ratios to it of
steps that take turns with it: those of its sibling without a prior, with a diagonal prior of mean 0, and with
one whose mean is as large as the state, as its std always is. The last column says how many more buffers of
the state's size the last of them takes at once than the plain step.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler
from measuring import peak_bytes, synchronize
from torch import Tensor

from priordiff import DiagonalPrior, with_prior

SHAPES = {"latent (4, 4, 128, 128)": (4, 4, 128, 128), "audio (1, 1, 1000000)": (1, 1, 1_000_000)}
SCHEDULERS: dict[str, Callable[[], Any]] = {
    "DDIM": lambda: DDIMScheduler(clip_sample=False),
    "DDIM, clipping": DDIMScheduler,
    "DDPM": lambda: DDPMScheduler(clip_sample=False),
    "DDPM, clipping": DDPMScheduler,
    "DPM-Solver++": DPMSolverMultistepScheduler,
    "Euler": EulerDiscreteScheduler,
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=6, help="trajectories of 50 steps; the first is not counted"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{arguments.device}, seed {arguments.seed}\n"
    )
    print("| state | scheduler | plain step | without a prior | prior, mean 0 | prior | more buffers |")
    print("|---|---|---|---|---|---|---|")
    for state, shape in SHAPES.items():
        sample, output, mean = (torch.randn(shape, device=arguments.device) for _ in range(3))
        std = torch.rand(shape, device=arguments.device) + 0.2
        for name, make in SCHEDULERS.items():
            schedulers = {"plain": make(), "no prior": with_prior(make())}
            for key, each in {"mean 0": 0.0, "mean": mean}.items():
                schedulers[key] = with_prior(make())
                schedulers[key].set_prior(DiagonalPrior(each, std))
            times = _times(schedulers, sample, output, arguments.rounds)
            buffers = {key: _buffers(scheduler, sample, output) for key, scheduler in schedulers.items()}
            ratios = " | ".join(
                f"{times[key] / times['plain']:.2f}" for key in ("no prior", "mean 0", "mean")
            )
            more = buffers["mean"] - buffers["plain"]
            print(f"| {state} | {name} | {1e6 * times['plain']:.0f} µs | {ratios} | {more:.1f} |")


def _times(schedulers: dict[str, Any], sample: Tensor, output: Tensor, rounds: int) -> dict[str, float]:
    """The median time of a step in seconds, of schedulers that take turns."""
    times: dict[str, list[float]] = {key: [] for key in schedulers}
    for measured in range(rounds):
        for scheduler in schedulers.values():
            _prepare(scheduler)
        for timestep in schedulers["plain"].timesteps:
            for key, scheduler in schedulers.items():
                synchronize(sample.device)
                started = time.perf_counter()
                scheduler.step(output, timestep, sample, return_dict=False)
                synchronize(sample.device)
                if measured:
                    times[key].append(time.perf_counter() - started)
    return {key: statistics.median(values) for key, values in times.items()}


def _buffers(scheduler: Any, sample: Tensor, output: Tensor) -> float:
    """The most memory that a step takes at once, results included, in buffers of the sample's size."""
    _prepare(scheduler)
    for timestep in scheduler.timesteps[:3]:  # past the solver's warm-up
        scheduler.step(output, timestep, sample, return_dict=False)
    timestep = scheduler.timesteps[3]
    peak = peak_bytes(lambda: scheduler.step(output, timestep, sample, return_dict=False), sample.device)
    return peak / (sample.numel() * sample.element_size())


def _prepare(scheduler: Any) -> None:
    scheduler.set_timesteps(50)
    scheduler.is_scale_input_called = True  # Euler's, which warns otherwise


if __name__ == "__main__":
    main()
