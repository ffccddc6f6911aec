"""The vocoder's network in six steps, against a plain implementation of the published one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.measuring import Options, matrix_product_flops, multiplies_bfloat16, side_by_side
from benchmarks.published_diffwave import HOP_LENGTH, N_MELS, PublishedDiffWave, multiply_adds, pair, sample
from benchmarks.tables import Table
from priordiff import DiffWave, PriorGradScheduler, VocoderPipeline
from priordiff.audio import LogMelSpectrogram
from priordiff.audio.metrics import log_mel_mae

__all__ = ["tables"]

SAMPLE_RATE, STEPS = 22_050, 6


def tables(options: Options) -> Iterator[Table]:
    """Speed on 2 and 10 seconds of audio, in float32, and in bfloat16 where the processor multiplies it."""
    published, ours = (network.eval() for network in pair(options))
    product = matrix_product_flops(options)
    has_bfloat16 = multiplies_bfloat16(options)
    dtypes = (torch.float32, torch.bfloat16)[: 1 + has_bfloat16]
    lengths = (0.25,) if options.quick else (2, 10)
    rows = [row for seconds in lengths for row in _rows(published, ours, dtypes, seconds, product, options)]
    title = f"Six steps of the published vocoder's sizes; a @ b in float32: {product / 1e9:.0f} GFLOP/s"
    columns = {
        "audio": "{} s",
        "network": "{}",
        "seconds": "{:.2f} s",
        "spread": "± {:.1%}",
        "ratio": "{:.2f}",
        "share of a @ b": "{:.0%}",
        "largest difference, in std": "{:.1e}",
        "log-mel MAE": "{:.1e}",
    }
    yield Table(title, columns, rows)


def _rows(
    published: PublishedDiffWave,
    ours: DiffWave,
    dtypes: Sequence[torch.dtype],
    seconds: float,
    product: float,
    options: Options,
) -> Iterator[dict[str, Any]]:
    """Both networks on audio of a length, and how far ours is from the published one."""
    pipeline = VocoderPipeline(ours, PriorGradScheduler())
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler.set_timesteps(STEPS)
    timesteps, betas = pipeline.scheduler.timesteps.flip(0), [1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5]
    frames = round(seconds * SAMPLE_RATE / HOP_LENGTH)
    log_mel = (torch.randn(1, N_MELS, frames, device=options.device) * 2 - 5).clamp(-11, 3)

    def plain() -> Tensor:
        return sample(published, log_mel, timesteps, betas, torch.Generator().manual_seed(options.seed))

    def tiled(dtype: torch.dtype) -> Tensor:
        generator = torch.Generator().manual_seed(options.seed)
        with torch.autocast(options.device.type, dtype, enabled=dtype != torch.float32):
            return pipeline(log_mel, num_inference_steps=STEPS, generator=generator).audios

    calls = {"published": plain}
    calls |= {f"priordiff, {str(dtype).removeprefix('torch.')}": partial(tiled, dtype) for dtype in dtypes}
    audio: dict[str, Tensor] = {}

    def keep(name: str) -> None:
        audio[name] = calls[name]()

    times = side_by_side({name: partial(keep, name) for name in calls}, options)
    operations = 2 * multiply_adds(published) * frames * HOP_LENGTH * STEPS
    to_log_mel = LogMelSpectrogram(SAMPLE_RATE)
    for name, each in times.items():
        row = {
            "audio": seconds,
            "network": name,
            "seconds": each.median,
            "spread": each.spread,
            "ratio": times["published"].median / each.median,
            "share of a @ b": operations / each.median / product,
        }
        if name != "published":
            found, expected = (audio[which].float().cpu() for which in (name, "published"))
            row["largest difference, in std"] = float((found - expected).abs().max() / expected.std())
            row["log-mel MAE"] = log_mel_mae(found[0], expected[0], SAMPLE_RATE, to_log_mel)
        yield row
