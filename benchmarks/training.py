"""Training of the paper's vocoder beside the published one, the residual stack, and the parts of a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import psutil
import torch
from torch import Tensor, nn

from benchmarks.measuring import Options, Times, side_by_side
from benchmarks.networks import demo_diffwave
from benchmarks.published_diffwave import HOP_LENGTH, N_MELS, pair, training_loss
from benchmarks.tables import Table
from benchmarks.training_parts import parts_table
from priordiff import DiffWave, MelDiffWave, MelEnergyEstimator, PriorGradScheduler, prior_loss

__all__ = ["tables"]

FRAMES, LEARNING_RATE = 62, 2e-4  # the paper's
COLUMNS = {"seconds": "{:.3f} s", "spread": "± {:.1%}", "steps a second": "{:.2f}", "ratio": "{:.2f}"}


def tables(options: Options) -> Iterator[Table]:
    """Steps and losses beside the published network's, layers beside the stack, and parts of a step."""
    yield _against_published(options)
    yield _losses(options)
    yield _stack(options)
    yield parts_table(options)


@dataclass(frozen=True)
class Batch:
    """Crops, their frames, what noise is drawn for them, and the standard deviation of their prior."""

    waveform: Tensor
    log_mel: Tensor
    noise: Tensor
    timesteps: Tensor
    std: Tensor


def _batches(size: int, number: int, estimator: MelEnergyEstimator, options: Options) -> list[Batch]:
    generator = torch.Generator().manual_seed(options.seed)
    frames = 4 if options.quick else FRAMES

    def draw(*shape: int) -> Tensor:
        return torch.randn(size, *shape, generator=generator).to(options.device)

    batches = []
    for _ in range(number):
        log_mel = draw(N_MELS, frames) * 2 - 5
        timesteps = torch.randint(50, (size,), generator=generator).to(options.device)
        crops = draw(1, frames * HOP_LENGTH) / 10, log_mel, draw(1, frames * HOP_LENGTH)
        batches.append(Batch(*crops, timesteps, estimator(log_mel).std))
    return batches


@dataclass(frozen=True)
class Trainings:
    """The prior's estimator, and each network's loss on a batch and step of Adam, which returns it."""

    estimator: MelEnergyEstimator
    losses: dict[str, Callable[[Batch], Tensor]]
    steps: dict[str, Callable[[Batch], Tensor]]


def _trainings(options: Options) -> Trainings:
    published, ours = pair(options)
    scheduler = PriorGradScheduler()
    alpha_bar = scheduler.alphas_cumprod.to(options.device)
    estimator = MelEnergyEstimator(HOP_LENGTH).fit([torch.full((1, N_MELS, 1), -9.0)]).to(options.device)

    def plain(batch: Batch) -> Tensor:
        given = batch.waveform, batch.log_mel, batch.std, batch.noise, batch.timesteps
        return training_loss(published, *given, alpha_bar)

    def under_prior(batch: Batch) -> Tensor:
        prior = estimator(batch.log_mel)
        scheduler.set_prior(prior)
        noisy, target = scheduler.training_pair(batch.waveform, batch.noise, batch.timesteps)
        return prior_loss(ours(noisy, batch.timesteps, batch.log_mel), target, prior)

    losses = {"published": plain, "priordiff": under_prior}
    steps = {
        name: partial(_step, losses[name], torch.optim.Adam(network.parameters(), LEARNING_RATE))
        for name, network in (("published", published), ("priordiff", ours))
    }
    return Trainings(estimator, losses, steps)


def _step(loss_of: Callable[[Batch], Tensor], optimizer: torch.optim.Optimizer, batch: Batch) -> Tensor:
    loss = loss_of(batch)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


def _against_published(options: Options) -> Table:
    rows = []
    for size in (1,) if options.quick else (4, 16):
        trainings = _trainings(options)
        (batch,) = _batches(size, 1, trainings.estimator, options)
        if _published_bytes(batch) > _free_bytes(options):
            rows.append({"crops": size, "network": "too large for this memory"})
            continue
        times = side_by_side({name: partial(step, batch) for name, step in trainings.steps.items()}, options)
        rows += [{"crops": size, "network": name, **shown} for name, shown in _compared(times).items()]
    title = f"A step of Adam on crops of {FRAMES} frames, the paper's vocoder in float32"
    return Table(title, {"crops": "{}", "network": "{}", **COLUMNS}, rows)


def _compared(times: Mapping[str, Times]) -> dict[str, dict[str, float]]:
    """The values of `COLUMNS`, of which the ratio is that to the first."""
    first = next(iter(times.values())).median
    return {
        name: {
            "seconds": each.median,
            "spread": each.spread,
            "steps a second": 1 / each.median,
            "ratio": first / each.median,
        }
        for name, each in times.items()
    }


def _published_bytes(batch: Batch) -> int:
    """About what the published network of the published sizes holds until the way back."""
    channels, layers, kept = 64, 30, 8
    return 4 * batch.waveform.numel() * channels * layers * kept


def _free_bytes(options: Options) -> int:
    if options.device.type == "cuda":
        return torch.cuda.mem_get_info(options.device)[0]
    return psutil.virtual_memory().available


def _losses(options: Options) -> Table:
    """The same weights, batches and optimiser: how far the losses of both are apart after so many steps."""
    steps, size = (3, 1) if options.quick else (50, 2)
    trainings = _trainings(options)
    batches = _batches(size, steps, trainings.estimator, options)
    with torch.no_grad():
        untrained = [float(trainings.losses["published"](batch)) for batch in batches]
    losses = {
        name: torch.stack([step(batch) for batch in batches]).double()
        for name, step in trainings.steps.items()
    }
    apart = (losses["priordiff"] / losses["published"] - 1).abs()
    rows = [
        {
            "steps": count,
            "untrained": untrained[count - 1],
            **{name: float(values[count - 1]) for name, values in losses.items()},
            "largest relative difference so far": float(apart[:count].max()),
        }
        for count in sorted({1, max(1, steps // 5), steps // 2, steps})
    ]
    columns = dict.fromkeys(("untrained", *losses), "{:.5f}")
    title = "Losses of both networks, trained from the same weights on the same batches"
    apart_column = {"largest relative difference so far": "{:.1e}"}
    return Table(title, {"steps": "{}", **columns, **apart_column}, rows)


@contextmanager
def layer_by_layer(layers: nn.ModuleList) -> Iterator[None]:
    """Has residual layers called one after the other: modules with hooks are not read as matrices."""
    hook = layers[0].register_forward_hook(lambda *_: None)
    try:
        yield
    finally:
        hook.remove()


def _stack(options: Options) -> Table:
    """Forward and backward passes of networks through `ResidualStack`, and layer by layer."""
    torch.manual_seed(options.seed)
    batch, frames = (1, 4) if options.quick else (8, 32)
    waveform, log_mel, mel, condition = (
        torch.randn(batch, *shape, device=options.device)
        for shape in ((1, frames * HOP_LENGTH), (N_MELS, frames), (N_MELS, 4 * frames), (256, 4 * frames))
    )
    networks = {
        "the vocoder demo's twin": (demo_diffwave(), (waveform, 3.0, log_mel)),
        "the paper's acoustic model": (MelDiffWave(), (mel, 3.0, condition)),
    }
    if not options.quick:
        networks["the paper's vocoder"] = DiffWave(), (waveform, 3.0, log_mel)
    rows = []
    for name, (network, given) in networks.items():
        network.to(options.device)

        def passes(network: nn.Module = network, given: tuple = given) -> None:
            network(*given).square().mean().backward()

        def layers(network: nn.Module = network, passes: Callable[[], None] = passes) -> None:
            with layer_by_layer(network.layers):
                passes()

        times = side_by_side({"layer by layer": layers, "the stack": passes}, options)
        rows += [{"network": name, "how": how, **shown} for how, shown in _compared(times).items()]
    crops = f"{batch} crops of {frames} frames (acoustic model: {4 * frames})"
    title = f"Forward and backward pass in float32, {crops}"
    return Table(title, {"network": "{}", "how": "{}", **COLUMNS}, rows)
