from __future__ import annotations

import os

os.environ.setdefault("MPLBACKEND", "agg")  # before anything imports matplotlib: tests have no display
if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes, which share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    torch.manual_seed(0)
