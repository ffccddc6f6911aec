"""Pipelines on a make-believe accelerator give what they give on the CPU, and mix no devices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.accelerator.pipelines import PIPELINES
from tests.accelerator.simulated import DEVICE, SimulatedDevice, on_device

pytestmark = pytest.mark.filterwarnings("ignore:log-mel frames range")


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines(name: str) -> None:
    make, use = PIPELINES[name]
    expected, pipeline = use(make()), make()
    with SimulatedDevice():
        for part, module in pipeline.components.items():
            if isinstance(module, torch.nn.Module):
                setattr(pipeline, part, on_device(module))
        assert pipeline.device == DEVICE
        result = use(pipeline)
    for ours, theirs in zip(result, expected, strict=True):
        np.testing.assert_allclose(
            np.asarray(ours.cpu() if isinstance(ours, torch.Tensor) else ours), theirs, atol=1e-4
        )
