"""How costs grow with audio length, batch, dimension and rank of a prior, and fall with processes.

An exponent is the slope of log seconds over log size, by least squares, with its standard error. What is
claimed for priors is the slope of the claimed cost at the same sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.fitting import fit_power_law
from benchmarks.measuring import Options, Times, side_by_side
from benchmarks.networks import demo_diffwave
from benchmarks.plots import Plot
from benchmarks.processes import step_seconds
from benchmarks.structures import STRUCTURES, low_rank, operations_of, structures_of
from benchmarks.tables import Table
from priordiff import DiffWave, pretrained_images, pretrained_vocoder

__all__ = ["tables"]

N_MELS, HOP_LENGTH = 80, 256
OPERATIONS = ("sample", "whiten", "log_prob")
SHORTEST = 2e-3  # seconds
COLUMNS = {
    "what": "{}",
    "from": "{:,.9g}",
    "to": "{:,.9g}",
    "seconds, first": "{:.2e}",
    "seconds, last": "{:.2e}",
    "largest spread": "± {:.0%}",
    "exponent": "{:.3f}",
    "standard error": "± {:.3f}",
    "claimed": "≤ {:.3f}",
}
Cost = Callable[[float], float]


def tables(options: Options) -> Iterator[Table]:
    """One table for each axis, with its curves; the points themselves are in the file of JSON."""
    torch.manual_seed(options.seed)
    yield _audio(options)
    yield _batch(options)
    for operation in OPERATIONS:
        yield _dimension(operation, options)
    yield _rank(options)
    yield _processes(options)


def _audio(options: Options) -> Table:
    vocoder, network = _vocoder(options), DiffWave().to(options.device).eval()
    lengths = (8, 16) if options.quick else (172, 344, 689, 1378, 2756)
    if options.quick:
        network = DiffWave(residual_channels=8, residual_layers=4, dilation_cycle_length=2).eval()

    def prediction(frames: int) -> Callable[[], Any]:
        sample = torch.randn(1, 1, frames * HOP_LENGTH, device=options.device)
        return torch.no_grad()(partial(network, sample, 3.0, _frames(1, frames, options)))

    calls: dict[tuple[str, float], Callable[[], Any]] = {}
    for frames in lengths:
        calls["the package's vocoder", frames] = partial(vocoder, _frames(1, frames, options))
        calls["one prediction of the paper's network", frames] = prediction(frames)
    times = side_by_side(calls, options)
    linear = dict.fromkeys((what for what, _ in calls), float)
    return _grown("Seconds by the length of audio", "frames", times, linear)


def _batch(options: Options) -> Table:
    vocoder, drawings = _vocoder(options), pretrained_images().to(options.device)
    drawings.set_progress_bar_config(disable=True)
    learning = demo_diffwave()
    learning.to(options.device)
    frames = 8 if options.quick else 86

    def step(batch: int) -> Callable[[], Any]:
        waveform = torch.randn(batch, 1, 32 * HOP_LENGTH, device=options.device)
        log_mel = _frames(batch, 32, options)
        return lambda: learning(waveform, 3.0, log_mel).square().mean().backward()

    calls: dict[tuple[str, float], Callable[[], Any]] = {}
    for batch in (1, 2) if options.quick else (1, 2, 4, 8, 16):
        calls["the package's vocoder, a second each", batch] = partial(
            vocoder, _frames(batch, frames, options)
        )
        calls["the package's drawings, two evaluations", batch] = partial(
            drawings, ["country-flag"] * batch, num_inference_steps=2, output_type="pt"
        )
        calls["a training pass of the demo's DiffWave", batch] = step(batch)
    times = side_by_side(calls, options)
    return _grown(
        "Seconds by the size of a batch", "items", times, dict.fromkeys((w for w, _ in calls), float)
    )


def _dimension(operation: str, options: Options) -> Table:
    sizes = (2**10, 2**11) if options.quick else tuple(2**power for power in range(10, 21, 2))
    calls = {
        (name, float(size)): operations_of(structure, size, options.device)[operation]
        for size in sizes
        for name, structure in structures_of(size).items()
    }
    times = side_by_side(calls, options, 0.0 if options.quick else SHORTEST)
    claimed = {name: structure.cost for name, structure in STRUCTURES.items()}
    title = f"Seconds of a prior's `{operation}` by the elements D of an event"
    return _grown(title, "D", times, claimed if operation != "log_prob" else {})


def _rank(options: Options) -> Table:
    size = 2**10 if options.quick else 2**16
    calls = {
        (operation, float(rank)): operations_of(low_rank(rank), size, options.device)[operation]
        for rank in ((2, 4) if options.quick else (2, 4, 8, 16, 32, 64, 128))
        for operation in OPERATIONS
    }
    times = side_by_side(calls, options, 0.0 if options.quick else SHORTEST)
    title = f"Seconds of LowRankPrior over D = {size:,} elements by its rank, once it is decomposed"
    return _grown(title, "rank", times, dict.fromkeys(OPERATIONS, float))


def _processes(options: Options) -> Table:
    numbers, crops = ((2,), 2) if options.quick else ((1, 2), 16)
    found: dict[tuple[str, float], list[float]] = {}
    for _ in range(options.rounds):
        for number in numbers:
            seconds = step_seconds(number, crops, 1 if options.quick else 3, options.seed)
            found.setdefault((f"a training pass on {crops} crops", number), []).extend(seconds)
    times = {key: Times(seconds) for key, seconds in found.items()}
    title = "Seconds by the number of processes of one thread each, over gloo; −1 would be perfect"
    return _grown(title, "processes", times, {})


def _grown(
    title: str, x_label: str, times: Mapping[tuple[str, float], Times], claimed: Mapping[str, Cost]
) -> Table:
    """Exponents of what was measured at several sizes, by what it is."""
    rows, curves = [], {}
    for what in dict.fromkeys(name for name, _ in times):
        sizes = [size for name, size in times if name == what]
        measured = [times[what, size] for size in sizes]
        law = fit_power_law(sizes, [each.median for each in measured]) if len(sizes) > 1 else None
        curves[what] = [(size, each.median) for size, each in zip(sizes, measured, strict=True)]
        rows.append(
            {
                "what": what,
                "from": sizes[0],
                "to": sizes[-1],
                "seconds, first": measured[0].median,
                "seconds, last": measured[-1].median,
                "largest spread": max(each.spread for each in measured),
                "exponent": law and law.exponent,
                "standard error": law and law.error,
                "claimed": _claimed(claimed.get(what), sizes),
                "points": [[s, each.median, each.spread] for s, each in zip(sizes, measured, strict=True)],
            }
        )
    return Table(title, COLUMNS, rows, [Plot(title, x_label, "seconds", curves)])


def _claimed(cost: Cost | None, sizes: Sequence[float]) -> float | None:
    if cost is None or len(sizes) < 2:
        return None
    return fit_power_law(sizes, [cost(size) for size in sizes]).exponent


def _vocoder(options: Options) -> Callable[[Tensor], Any]:
    vocoder = pretrained_vocoder().to(options.device)
    vocoder.set_progress_bar_config(disable=True)
    return vocoder


def _frames(batch: int, frames: int, options: Options) -> Tensor:
    return torch.randn(batch, N_MELS, frames, device=options.device) - 5
