"""The vocoder's network in six steps, against a plain implementation of the published one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.measuring import Options, matrix_product_flops, side_by_side
from benchmarks.published_diffwave import HOP_LENGTH, N_MELS, PublishedDiffWave, multiply_adds, pair, sample
from benchmarks.tables import Table
from priordiff import DiffWave, PriorGradScheduler, VocoderPipeline
from priordiff.training.precision import fastest_precision

__all__ = ["tables"]

SAMPLE_RATE, STEPS = 22_050, 6


def tables(options: Options) -> Iterator[Table]:
    """Speed on 2 and 10 seconds of audio, in float32, and in bfloat16 where the processor multiplies it."""
    published, ours = (network.eval() for network in pair(options))
    has_bfloat16 = options.quick or fastest_precision(options.device) == "bf16"
    for dtype in (torch.float32, torch.bfloat16)[: 1 + has_bfloat16]:
        yield _table(published, ours, dtype, options)


def _table(published: PublishedDiffWave, ours: DiffWave, dtype: torch.dtype, options: Options) -> Table:
    product = matrix_product_flops(options)
    pipeline = VocoderPipeline(ours, PriorGradScheduler())
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler.set_timesteps(STEPS)
    timesteps, betas = pipeline.scheduler.timesteps.flip(0), [1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5]
    rows = []
    for seconds in (0.1,) if options.quick else (2, 10):
        frames = round(seconds * SAMPLE_RATE / HOP_LENGTH)
        log_mel = (torch.randn(1, N_MELS, frames, device=options.device) * 2 - 5).clamp(-11, 3)

        def plain(log_mel: Tensor = log_mel) -> Tensor:
            return sample(published, log_mel, timesteps, betas, torch.Generator().manual_seed(options.seed))

        def tiled(log_mel: Tensor = log_mel) -> Tensor:
            generator = torch.Generator().manual_seed(options.seed)
            with torch.autocast(options.device.type, dtype, enabled=dtype != torch.float32):
                return pipeline(log_mel, num_inference_steps=STEPS, generator=generator).audios

        times = side_by_side({"published": plain, "priordiff": tiled}, options)
        operations = 2 * multiply_adds(published) * frames * HOP_LENGTH * STEPS
        for name, each in times.items():
            rows.append(
                {
                    "audio": seconds,
                    "network": name,
                    "seconds": each.median,
                    "spread": each.spread,
                    "ratio": times["published"].median / each.median,
                    "share of a @ b": operations / each.median / product,
                    "difference": _apart(tiled(), plain()) if name == "priordiff" else None,
                }
            )
    title = (
        f"Six steps of the published vocoder's sizes, priordiff in {str(dtype).removeprefix('torch.')}; "
        f"a @ b in float32: {product / 1e9:.0f} GFLOP/s"
    )
    columns = {
        "audio": "{} s",
        "network": "{}",
        "seconds": "{:.2f} s",
        "spread": "± {:.1%}",
        "ratio": "{:.2f}",
        "share of a @ b": "{:.0%}",
        "difference": "{:.1e}",
    }
    return Table(title, columns, rows)


def _apart(audio: Tensor, expected: Tensor) -> float:
    """The largest difference, in standard deviations of what is expected."""
    return float((audio - expected).abs().max() / expected.std())
