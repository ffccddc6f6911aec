"""Processes that share the weights of a network, by FSDP 2."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator, DistributedType
from accelerate.utils import FullyShardedDataParallelPlugin
from torch.distributed.tensor import DTensor

from priordiff.training import Draw, Trainer, TrainingConfig, gradients, loop, processes
from tests.training.toy import ToyTask, final_state, toy_training


def make_sharding_accelerator(config: TrainingConfig, run_dir: Path | str) -> Accelerator:
    """Accelerate shares weights on GPUs alone; gloo can do all that this takes, so it is told to on CPUs."""
    accelerator = processes.make_accelerator(config, run_dir)
    # Every layer that has weights is gathered by itself.
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="size_based_wrap", min_num_params=20, cpu_ram_efficient_loading=False
    )
    accelerator.state.distributed_type = DistributedType.FSDP
    return accelerator


def _train(rank: int, port: int, folder: Path, steps: list[int]) -> None:
    os.environ.update(
        ACCELERATE_USE_CPU="true",
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        GLOO_SOCKET_IFNAME="lo",
    )
    torch.set_num_threads(1)
    loop.make_accelerator = make_sharding_accelerator
    for num_steps in steps:
        config = toy_training()
        config.batch_size, config.num_steps = 2, num_steps
        config.lr_scheduler, config.lr_warmup_steps = "constant", 0
        task = ToyTask()
        trainer = Trainer(task, config, folder)
        trainer.fit(resume=True)
        assert all(isinstance(each, DTensor) for each in trainer.state.trained.parameters())
        assert not any(isinstance(each, DTensor) for each in task.model.parameters())
    torch.distributed.destroy_process_group()


def train_sharded(folder: Path, *steps: int) -> None:
    """Go on with the toy in two processes that share its weights, to each of these steps in turn."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(_train, args=(port, folder, [*steps]), nprocs=2)


def assert_close(left: Any, right: Any) -> None:
    if isinstance(left, torch.Tensor):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)
    elif isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_close(left[key], right[key])
    elif isinstance(left, list | tuple):
        for a, b in zip(left, right, strict=True):
            assert_close(a, b)
    else:
        assert left == right or left == pytest.approx(right)


@pytest.mark.skipif(not hasattr(Accelerator, "is_fsdp2"), reason="accelerate is older than FSDP 2")
@pytest.mark.slow
def test_a_run_goes_on_with_shared_weights_and_without(tmp_path: Path) -> None:
    def alone(name: str, num_steps: int, resume: bool = False) -> None:
        config = toy_training()
        config.num_steps, config.lr_scheduler, config.lr_warmup_steps = num_steps, "constant", 0
        Trainer(ToyTask(), config, tmp_path / name).fit(resume)

    alone("whole", 8)
    alone("shared", 2)
    train_sharded(tmp_path / "shared", 4, 6)
    alone("shared", 8, resume=True)
    # Checkpoints and export are whole, in the form of those that one process writes.
    assert_close(final_state(tmp_path / "shared"), final_state(tmp_path / "whole"))


def test_a_network_whose_gradients_would_be_passed_over_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Detached(ToyTask):
        def loss_sums(self, model, batch, generators):  # type: ignore[no-untyped-def]
            loss = torch.ones((), requires_grad=True)
            return {"sine": loss, "first": loss}

    monkeypatch.setattr(gradients, "shares_weights", lambda accelerator: True)
    task, draws = Detached(), [Draw(0, 0, 0)]
    batch = task.collate([task.dataset[draw] for draw in draws])
    with pytest.raises(ValueError, match=r"no weight of Sequential has a gradient: .* must return tensors"):
        gradients.accumulate_gradients(Accelerator(cpu=True), task, task.model, [batch], [draws])
