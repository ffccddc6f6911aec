"""What a prior costs: a whole call of a pipeline, and a step alone, side by side with the plain ones.

Whole calls are of Stable Diffusion's network on two latents and of the paper's vocoder on two seconds, both
with random weights; steps are of several solvers, without a network. A plain call and one under a diagonal, a
lapped or a dense prior take turns, with no third one to spoil their caches. A dense prior over two seconds of
audio would have a covariance of 8 GB and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from torch import Tensor

from benchmarks.measuring import Options, side_by_side
from benchmarks.tables import Table
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

__all__ = ["tables"]

Shape = tuple[int, ...]
HOP_LENGTH, SHORTEST = 256, 2e-3  # seconds of a step that is repeated within a round
PRIORS = ("diagonal", "lapped", "dense")
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


def tables(options: Options) -> Iterator[Table]:
    """Seconds of plain calls and steps, and the ratios to them under priors."""
    torch.manual_seed(options.seed)
    device, frames = options.device, 2 if options.quick else 172  # two seconds at 22,050 Hz
    shapes: dict[str, Shape] = {
        "latents": (1, 4, 8, 8) if options.quick else (2, 4, 64, 64),
        "audio": (1, 1, frames * HOP_LENGTH),
    }
    priors = {
        data: _priors(shape, 8 if data == "latents" else HOP_LENGTH, data == "latents", device)
        for data, shape in shapes.items()
    }
    calls = {
        "Stable Diffusion, 2 steps": _stable_diffusion(priors["latents"], shapes["latents"], options),
        "the paper's vocoder, 6 steps": _vocoder(priors["audio"], frames, options),
    }
    yield _table("Whole calls", calls, options)
    schedulers = list(SCHEDULERS.items())[:2] if options.quick else list(SCHEDULERS.items())
    steps = {
        f"{data} {shape}, {name}": _steps(make, shape, priors[data], device)
        for data, shape in shapes.items()
        for name, make in schedulers
    }
    yield _table("Steps alone", steps, options, 0.0 if options.quick else SHORTEST)


def _priors(shape: Shape, hop_length: int, has_dense: bool, device: torch.device) -> dict[str, GaussianPrior]:
    """A prior of each structure, with a mean as large as its standard deviation."""
    mean = torch.randn(shape, device=device)
    std = torch.rand(shape, device=device) + 0.2
    priors: dict[str, GaussianPrior] = {
        "diagonal": DiagonalPrior(mean, std),
        "lapped": LappedPrior(mean, std.unflatten(-1, (-1, hop_length)), hop_length),
    }
    if has_dense:
        size = std[0].numel()
        covariance = torch.eye(size, device=device).add_(0.5 / size)
        priors["dense"] = DensePrior(mean, covariance)
    return priors


def _stable_diffusion(
    priors: Mapping[str, GaussianPrior], shape: Shape, options: Options
) -> dict[str, Callable[[], Any]]:
    device, width = options.device, 32 if options.quick else 320
    unet = UNet2DConditionModel(
        sample_size=shape[-1],
        block_out_channels=(width, 2 * width, 4 * width, 4 * width),
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
    prompts = torch.randn(shape[0], 77, 768, device=device)
    noise = torch.randn(shape, device=device)

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


def _vocoder(
    priors: Mapping[str, GaussianPrior], frames: int, options: Options
) -> dict[str, Callable[[], Any]]:
    sizes: dict[str, int] = {"residual_channels": 8, "residual_layers": 2} if options.quick else {}
    model = DiffWave(**sizes).to(options.device)
    log_mel = torch.randn(1, model.config.n_mels, frames, device=options.device) - 5

    def call(estimator: PriorEstimator | None) -> Callable[[], Any]:
        pipe = VocoderPipeline(model, PriorGradScheduler(), estimator)
        pipe.set_progress_bar_config(disable=True)
        return lambda: pipe(log_mel, num_inference_steps=6)

    return {"plain": call(None), **{name: call(_GivenPrior(prior)) for name, prior in priors.items()}}


def _steps(
    make: Callable[[], Any], shape: Shape, priors: Mapping[str, GaussianPrior], device: torch.device
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


def _table(
    title: str,
    calls: Mapping[str, Mapping[str, Callable[[], Any]]],
    options: Options,
    shortest: float = 0.0,
) -> Table:
    rows = []
    for what, each in calls.items():
        row: dict[str, float | str] = {"what": what}
        for prior in (name for name in PRIORS if name in each):
            pair = {name: each[name] for name in ("plain", prior)}
            times = side_by_side(pair, options, shortest)
            row["plain"] = times["plain"].median
            row[prior] = times[prior].median / times["plain"].median
            row[f"{prior}, spread"] = max(times["plain"].spread, times[prior].spread)
        rows.append(row)
    columns = {"what": "{}", "plain": "{:.3g} s"}
    for prior in PRIORS:
        columns |= {prior: "{:,.2f}", f"{prior}, spread": "± {:.0%}"}
    return Table(f"{title}: seconds of plain ones, and ratios to them under priors", columns, rows)
