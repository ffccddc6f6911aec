"""What a prior costs: a whole call of a pipeline, and a step alone, side by side with the plain ones.

    python benchmarks/step_speed.py

prints, for Stable Diffusion's network on two latents and for the paper's vocoder on two seconds, both with
random weights, the median time of a plain call and the ratios to it of calls under a diagonal, a lapped and a
dense prior; then the same for a step alone of several solvers, without a network. A plain and a
prior one take turns. A dense prior over two seconds of audio would have a covariance of 8 GB and is left out.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from measuring import synchronize
from torch import Tensor

from priordiff import (
    DensePrior,
    DiagonalPrior,
    DiffWave,
    GaussianPrior,
    LappedPrior,
    PriorEstimator,
    PriorGradScheduler,
    VocoderPipeline,
    with_prior,
)

LATENTS = (2, 4, 64, 64)
FRAMES, HOP_LENGTH = 172, 256  # two seconds at 22,050 Hz
AUDIO = (1, 1, FRAMES * HOP_LENGTH)
SCHEDULERS: dict[str, Callable[[], Any]] = {
    "DDIM": lambda: DDIMScheduler(clip_sample=False),
    "DDIM, clipping": DDIMScheduler,
    "DDPM": lambda: DDPMScheduler(clip_sample=False),
    "DDPM, clipping": DDPMScheduler,
    "DPM-Solver++": DPMSolverMultistepScheduler,
    "Euler": EulerDiscreteScheduler,
    "Euler for flows": FlowMatchEulerDiscreteScheduler,
    "PriorGrad": PriorGradScheduler,
}


class _GivenPrior(PriorEstimator):
    """Says the same whatever it is asked."""

    def __init__(self, prior: GaussianPrior) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, log_mel: Tensor) -> GaussianPrior:
        return self.prior


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=5, help="of each comparison, at least, after one to warm up"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["calls", "steps"], help="one of the two tables")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    device, rounds = torch.device(arguments.device), arguments.rounds
    print(
        f"{platform.machine()} ({torch.backends.cpu.get_cpu_capability()}), {torch.get_num_threads()} "
        f"threads, torch {torch.__version__}, {device}, seed {arguments.seed}\n"
    )
    priors = {"latents": _priors(LATENTS, 8, device), "audio": _priors(AUDIO, HOP_LENGTH, device)}
    if arguments.only != "steps":
        _print_head("call")
        _print_row("Stable Diffusion, 2 steps", _stable_diffusion(priors["latents"], device), rounds, device)
        _print_row("the paper's vocoder, 6 steps", _vocoder(priors["audio"], device), rounds, device)
        print()
    if arguments.only != "calls":
        _print_head("step")
        for data, shape in {"latents": LATENTS, "audio": AUDIO}.items():
            for name, make in SCHEDULERS.items():
                calls = _steps(make, shape, priors[data], device)
                _print_row(f"{data} {shape}, {name}", calls, rounds, device)


def _priors(shape: tuple[int, ...], hop_length: int, device: torch.device) -> dict[str, GaussianPrior]:
    """A prior of each structure, with a mean as large as its standard deviation."""
    mean = torch.randn(shape, device=device)
    std = torch.rand(shape, device=device) + 0.2
    priors: dict[str, GaussianPrior] = {
        "diagonal": DiagonalPrior(mean, std),
        "lapped": LappedPrior(mean, std.unflatten(-1, (-1, hop_length)), hop_length),
    }
    if shape == LATENTS:
        size = std[0].numel()
        covariance = torch.eye(size, device=device).add_(0.5 / size)
        priors["dense"] = DensePrior(mean, covariance)
    return priors


def _stable_diffusion(
    priors: Mapping[str, GaussianPrior], device: torch.device
) -> dict[str, Callable[[], Any]]:
    unet = UNet2DConditionModel(
        sample_size=64,
        block_out_channels=(320, 640, 1280, 1280),
        cross_attention_dim=768,
        attention_head_dim=8,
    ).to(device)
    none = dict.fromkeys(["vae", "text_encoder", "tokenizer", "safety_checker", "feature_extractor"])
    pipe = StableDiffusionPipeline(
        **none,
        unet=unet,
        scheduler=DDIMScheduler(clip_sample=False),
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    prompts = torch.randn(LATENTS[0], 77, 768, device=device)
    noise = torch.randn(LATENTS, device=device)

    def call(scheduler: Any) -> Callable[[], Any]:
        def run() -> Any:
            pipe.scheduler = scheduler
            return pipe(
                prompt_embeds=prompts,
                latents=noise,
                guidance_scale=1.0,
                num_inference_steps=2,
                output_type="latent",
            )

        return run

    return {
        "plain": call(pipe.scheduler),
        **{name: call(_under(p, pipe.scheduler)) for name, p in priors.items()},
    }


def _vocoder(priors: Mapping[str, GaussianPrior], device: torch.device) -> dict[str, Callable[[], Any]]:
    model = DiffWave().to(device)
    log_mel = torch.randn(1, model.config.n_mels, FRAMES, device=device) - 5

    def call(estimator: PriorEstimator | None) -> Callable[[], Any]:
        pipe = VocoderPipeline(model, PriorGradScheduler(), estimator)
        pipe.set_progress_bar_config(disable=True)
        return lambda: pipe(log_mel, num_inference_steps=6)

    return {"plain": call(None), **{name: call(_GivenPrior(prior)) for name, prior in priors.items()}}


def _steps(
    make: Callable[[], Any], shape: tuple[int, ...], priors: Mapping[str, GaussianPrior], device: torch.device
) -> dict[str, Callable[[], Any]]:
    sample, output = torch.randn(2, *shape, device=device)
    schedulers = {"plain": make(), **{name: _under(prior, make()) for name, prior in priors.items()}}

    def step(scheduler: Any) -> Callable[[], Any]:
        steps = iter(())

        def run() -> None:
            nonlocal steps
            timestep = next(steps, None)
            if timestep is None:
                scheduler.set_timesteps(50)
                if hasattr(scheduler, "scale_model_input"):
                    scheduler.scale_model_input(sample, scheduler.timesteps[0])  # which both warn without
                steps = iter(scheduler.timesteps)
                timestep = next(steps)
            scheduler.step(output, timestep, sample, return_dict=False)

        return run

    return {name: step(scheduler) for name, scheduler in schedulers.items()}


def _under(prior: GaussianPrior, scheduler: Any) -> Any:
    sibling = with_prior(scheduler)
    sibling.set_prior(prior)
    return sibling


def _print_head(what: str) -> None:
    print(f"| {what} | plain | diagonal | lapped | dense |")
    print("|---|---|---|---|---|")


def _print_row(name: str, calls: Mapping[str, Callable[[], Any]], rounds: int, device: torch.device) -> None:
    ratios, plain = {}, 0.0
    for key in list(calls)[1:]:
        plain, prior = _medians(calls["plain"], calls[key], rounds, device)
        ratios[key] = f"{prior / plain:.2f}" if prior < 100 * plain else f"{prior / plain:,.0f}"
    shown = f"{plain:.2f} s" if plain > 0.1 else f"{1e6 * plain:.0f} µs"
    cells = [ratios.get(key, "–") for key in ("diagonal", "lapped", "dense")]
    print(f"| {name} | {shown} | {' | '.join(cells)} |", flush=True)


def _medians(
    plain: Callable[[], Any], prior: Callable[[], Any], rounds: int, device: torch.device
) -> tuple[float, float]:
    """Median seconds of two calls that take turns, with no third one to spoil their caches."""
    times: tuple[list[float], list[float]] = [], []
    until = time.perf_counter() + 2
    while len(times[0]) <= rounds or (time.perf_counter() < until and len(times[0]) < 60 * rounds):
        for call, seconds in zip((plain, prior), times, strict=True):
            started = time.perf_counter()
            call()
            synchronize(device)
            seconds.append(time.perf_counter() - started)
    return statistics.median(times[0][1:]), statistics.median(times[1][1:])


if __name__ == "__main__":
    main()
