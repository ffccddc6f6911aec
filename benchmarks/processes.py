"""A training pass of the vocoder demo's DiffWave, its batch shared by processes over gloo."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from benchmarks.networks import demo_diffwave

__all__ = ["step_seconds"]

HOP_LENGTH, FRAMES, N_MELS = 256, 32, 80


def step_seconds(number: int, crops: int, steps: int, seed: int) -> list[float]:
    """Seconds of forward and backward passes on so many crops, by so many processes of one thread each.

    Args:
        number: of processes, a divisor of the crops.
        crops: of the whole batch.
        steps: after one to warm up.
        seed: of weights and data.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.multiprocessing.spawn(_train, args=(folder, number, crops, steps, seed), nprocs=number)
        return json.loads((folder / "seconds.json").read_text())


def _train(rank: int, folder: Path, number: int, crops: int, steps: int, seed: int) -> None:
    torch.set_num_threads(1)
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # whatever the host's name stands for
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=number)
    try:
        torch.manual_seed(seed)
        network = demo_diffwave()
        model = DistributedDataParallel(network)
        own = crops // number
        waveform, log_mel = torch.randn(own, 1, FRAMES * HOP_LENGTH), torch.randn(own, N_MELS, FRAMES)
        seconds = []
        for measured in range(steps + 1):
            dist.barrier()
            started = time.perf_counter()
            model(waveform, 3.0, log_mel).square().mean().backward()
            dist.barrier()  # a step is over when all are done
            model.zero_grad()
            if measured:
                seconds.append(time.perf_counter() - started)
        if rank == 0:
            (folder / "seconds.json").write_text(json.dumps(seconds))
        dist.barrier()
    finally:
        dist.destroy_process_group()
