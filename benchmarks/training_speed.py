"""Speed of DiffWave's training on a CPU: layout of the convolutions, precision, and blocks of samples.

    python benchmarks/training_speed.py

prints ratios of times measured side by side, alternating, as the medians of several rounds.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F

from priordiff import DiffWave

ROUNDS = 7


def main() -> None:
    """Runs both comparisons."""
    torch.manual_seed(0)
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, seed 0")
    _report("one dilated convolution of the paper's network, forward and backward", _convolutions())
    _report("one training step on 8 crops of 32 frames", _training_steps())


def _convolutions() -> dict[str, Callable[[], None]]:
    """The same convolution (64 to 128 channels, kernel 3, dilation 8) in two layouts and precisions."""
    x = torch.randn(8, 64, 8192)
    weight = torch.randn(128, 64, 3) / 14
    row = x[:, :, None].to(memory_format=torch.channels_last)

    def plain(dtype: torch.dtype) -> Callable[[], None]:
        inputs = [tensor.to(dtype).requires_grad_() for tensor in (x, weight)]
        return lambda: F.conv1d(*inputs, padding=8, dilation=8).sum().backward()

    def channels_last(dtype: torch.dtype) -> Callable[[], None]:
        inputs = [tensor.to(dtype).requires_grad_() for tensor in (row, weight[:, :, None])]
        return lambda: F.conv2d(*inputs, padding=(0, 8), dilation=(1, 8)).sum().backward()

    return {
        "conv1d, float32": plain(torch.float32),
        "channels last, float32": channels_last(torch.float32),
        "conv1d, bfloat16": plain(torch.bfloat16),
        "channels last, bfloat16": channels_last(torch.bfloat16),
    }


def _training_steps() -> dict[str, Callable[[], None]]:
    """Forward and backward pass of networks of about the same number of parameters."""
    waveform, log_mel = torch.randn(8, 1, 32 * 256), torch.randn(8, 80, 32)

    def step(model: DiffWave, bf16: bool) -> Callable[[], None]:
        def run() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                prediction = model(waveform, 3.0, log_mel)
            prediction.float().square().mean().backward()

        return run

    paper = DiffWave()
    blocks = DiffWave(residual_channels=96, residual_layers=12, dilation_cycle_length=6, block_size=16)
    return {
        "paper, float32": step(paper, bf16=False),
        "paper, bfloat16": step(paper, bf16=True),
        "blocks of 16 samples, float32": step(blocks, bf16=False),
        "blocks of 16 samples, bfloat16": step(blocks, bf16=True),
    }


def _report(title: str, candidates: Mapping[str, Callable[[], None]]) -> None:
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for measured in range(ROUNDS + 1):
        for name, run in candidates.items():
            started = time.perf_counter()
            run()
            if measured:  # the first round warms up
                times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in times.items()}
    reference = next(iter(medians.values()))
    print(f"\n{title}")
    for name, seconds in medians.items():
        print(f"  {name:40} {seconds * 1e3:8.1f} ms   {reference / seconds:5.1f} × as fast as the first")


if __name__ == "__main__":
    main()
