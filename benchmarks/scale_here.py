"""The parts of a large training that one machine can measure: counts, memory and data rate."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.optim import AdamW

from benchmarks.counting import cost_of_step
from benchmarks.measuring import peak_bytes
from benchmarks.tables import Table
from priordiff import LappedConvNeXt
from priordiff.audio import AudioShards, LogMelSpectrogram, encode_audio
from priordiff.corpora import ShardWriter
from priordiff.training import ShardOrder

__all__ = ["tables_here"]

_RATE, _HOP = 24000, 256


def tables_here(recordings: int = 200, seconds: float = 6.0) -> Iterator[Table]:
    """What was computed beside what was measured, then what a core reads from shards.

    Args:
        recordings: in the shards that are read.
        seconds: length of each.
    """
    yield Table("Computed and measured, a small network", _CHECK, [*_checks()])
    yield Table("Reading shards, on one core", _READING, [*_readings(recordings, seconds)])


_CHECK = {"of a step": "{}", "computed": "{:,.0f}", "measured": "{:,.0f}"}
_READING = {"what": "{}", "ms a recording": "{:.2f}", "recordings a second": "{:,.0f}", "MB/s": "{:,.1f}"}


def _checks() -> Iterator[dict[str, Any]]:
    make = partial(LappedConvNeXt, channels=128, layers=4)
    shapes = {"sample": (4, 1, 64 * _HOP), "timestep": (4,), "log_mel": (4, 80, 64)}
    computed, counted = (cost_of_step(make, shapes, device) for device in ("meta", "cpu"))
    yield dict(zip(_CHECK, ("floating-point operations", computed.flops, counted.flops), strict=True))
    network = make()
    inputs = {name: torch.randn(shape) for name, shape in shapes.items()}
    optimizer = AdamW(network.parameters())

    def forward() -> None:
        kept.append(network(**inputs).square().mean())

    kept: list[torch.Tensor] = []
    forward_bytes = peak_bytes(forward, torch.device("cpu"))
    yield dict(
        zip(
            _CHECK,
            ("bytes kept by the forward pass (measured: held at most)", computed.activations, forward_bytes),
            strict=True,
        )
    )
    kept.pop().backward()
    optimizer.step()
    moments = [value for state in optimizer.state.values() for value in state.values()]
    held = [t for p in network.parameters() for t in (p, p.grad) if t is not None] + moments
    measured = sum(tensor.numel() * tensor.element_size() for tensor in held)
    label = "bytes of weights, gradients and moments"
    yield dict(zip(_CHECK, (label, 16 * computed.parameters, measured), strict=True))


def _readings(recordings: int, seconds: float) -> Iterator[dict[str, Any]]:
    random = torch.Generator().manual_seed(0)
    length = int(seconds * _RATE)
    with tempfile.TemporaryDirectory() as folder:
        with ShardWriter(folder, {"sample_rate": _RATE}, max_samples=recordings // 10) as writer:
            for number in range(recordings):
                # Faint noise takes about as many bits as speech: half of the 16.
                noise = 0.003 * torch.randn(length, generator=random)
                data = encode_audio(noise, _RATE, ".flac")
                writer.write(f"{number:06d}", {"flac": data}, length)
        num_bytes = sum(path.stat().st_size for path in Path(folder).glob("*.tar")) / recordings
        corpus = AudioShards(folder, _RATE)
        order = ShardOrder(corpus.shard_sizes, seed=0)
        indices = [order.index(0, position) for position in range(recordings)]
        log_mel = LogMelSpectrogram(sample_rate=_RATE)
        crop = 136 * _HOP
        calls: dict[str, Callable[[int], Any]] = {
            "the bytes": corpus.encoded,
            "and a crop, decoded": lambda index: corpus.crop(index, _RATE, crop),
            "and its log-mel, if it were computed there": lambda index: log_mel(
                corpus.crop(index, _RATE, crop)[None]
            ),
        }
        for name, call in calls.items():
            call(indices[0])
            # The processor's time, not the clock's: others may use the machine.
            started = time.process_time()
            for index in indices:
                call(index)
            each = (time.process_time() - started) / recordings
            yield dict(zip(_READING, (name, 1e3 * each, 1 / each, num_bytes / each / 1e6), strict=True))
