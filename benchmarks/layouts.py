"""DiffWave's training on a CPU by layout of the convolutions, precision, and blocks of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.measuring import Options, side_by_side
from benchmarks.tables import Table
from priordiff import DiffWave

__all__ = ["tables"]


def tables(options: Options) -> Iterator[Table]:
    """One convolution alone, and a training pass; the ratios are to the first of each."""
    torch.manual_seed(options.seed)
    title = "One dilated convolution of the paper's network, forward and backward"
    yield _table(title, _convolutions(options), options)
    frames = 2 if options.quick else 32
    title = f"Forward and backward pass of networks with about as many parameters, 8 crops of {frames} frames"
    yield _table(title, _passes(frames, options), options)


def _convolutions(options: Options) -> dict[str, Callable[[], Any]]:
    """The same convolution (64 to 128 channels, kernel 3, dilation 8) in two layouts and precisions."""
    x = torch.randn(8, 64, 64 if options.quick else 8192, device=options.device)
    weight = torch.randn(128, 64, 3, device=options.device) / 14
    row = x[:, :, None].to(memory_format=torch.channels_last)

    def plain(dtype: torch.dtype) -> Callable[[], Any]:
        inputs = [tensor.to(dtype).requires_grad_() for tensor in (x, weight)]
        return lambda: F.conv1d(*inputs, padding=8, dilation=8).sum().backward()

    def channels_last(dtype: torch.dtype) -> Callable[[], Any]:
        inputs = [tensor.to(dtype).requires_grad_() for tensor in (row, weight[:, :, None])]
        return lambda: F.conv2d(*inputs, padding=(0, 8), dilation=(1, 8)).sum().backward()

    return {
        "conv1d, float32": plain(torch.float32),
        "channels last, float32": channels_last(torch.float32),
        "conv1d, bfloat16": plain(torch.bfloat16),
        "channels last, bfloat16": channels_last(torch.bfloat16),
    }


def _passes(frames: int, options: Options) -> dict[str, Callable[[], Any]]:
    waveform = torch.randn(8, 1, frames * 256, device=options.device)
    log_mel = torch.randn(8, 80, frames, device=options.device)

    def run(model: DiffWave, bf16: bool) -> Callable[[], Any]:
        model.to(options.device)

        def passes() -> None:
            with torch.autocast(options.device.type, torch.bfloat16, enabled=bf16):
                prediction = model(waveform, 3.0, log_mel)
            prediction.float().square().mean().backward()

        return passes

    sizes: dict[str, int] = {"residual_channels": 8, "residual_layers": 2} if options.quick else {}
    paper = DiffWave(**sizes)
    in_blocks = {"residual_channels": 96, "residual_layers": 12, "dilation_cycle_length": 6, **sizes}
    blocks = DiffWave(**in_blocks, block_size=16)
    return {
        "the paper's, float32": run(paper, bf16=False),
        "the paper's, bfloat16": run(paper, bf16=True),
        "blocks of 16 samples, float32": run(blocks, bf16=False),
        "blocks of 16 samples, bfloat16": run(blocks, bf16=True),
    }


def _table(title: str, calls: Mapping[str, Callable[[], Any]], options: Options) -> Table:
    times = side_by_side(calls, options)
    first = next(iter(times.values())).median
    rows = [
        {"how": name, "ms": 1e3 * each.median, "spread": each.spread, "times as fast": first / each.median}
        for name, each in times.items()
    ]
    columns = {"how": "{}", "ms": "{:.1f}", "spread": "± {:.1%}", "times as fast": "{:.2f}"}
    return Table(title, columns, rows)
