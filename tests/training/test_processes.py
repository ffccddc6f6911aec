"""The processes that train together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator, DistributedType

from priordiff.training import TrainingConfig, join_processes
from priordiff.training.processes import make_accelerator


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="for CPUs alone")
@pytest.mark.parametrize("is_launched", [True, False])
def test_a_lone_process_of_accelerate_launch_gets_all_cores_unless_the_user_chose(
    is_launched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    if is_launched:
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    else:
        monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert join_processes().num_processes == 1
    assert torch.get_num_threads() == (3 if is_launched else 1)


def test_sharing_weights_by_the_first_version_of_fsdp_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Accelerator, "distributed_type", DistributedType.FSDP)
    monkeypatch.setattr(Accelerator, "is_fsdp2", False, raising=False)
    config = TrainingConfig(mixed_precision="no", trackers=[])
    with pytest.raises(ValueError, match="FSDP 1, expected 2: pass --fsdp_version 2"):
        make_accelerator(config, tmp_path)
