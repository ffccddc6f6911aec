from __future__ import annotations

import pytest
import torch

from tests.accelerator.on_device import found


@pytest.fixture
def accelerator(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """The accelerator that there is, in full precision; skips where there is none."""
    device = found()
    if device is None:
        pytest.skip("there is no accelerator: neither CUDA nor MPS")
    # Convolutions may otherwise round to 10 bits.
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return device


@pytest.fixture
def cuda(accelerator: torch.device) -> torch.device:
    if accelerator.type != "cuda":
        pytest.skip(f"for CUDA alone, not {accelerator.type}")
    return accelerator
