"""The make-believe accelerator does not let pass what a real one would not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.accelerator.simulated import DEVICE, MixedDevices, SimulatedDevice, on_cpu, on_device

CPU_PAIR = torch.tensor([1.0, 2.0])


@pytest.mark.parametrize(
    "mix",
    [
        lambda x: x + CPU_PAIR,
        lambda x: torch.cat([x, CPU_PAIR]),
        lambda x: nn.Linear(2, 2)(x),
        lambda x: CPU_PAIR[x.long() - 1],
        lambda x: x.index_select(0, torch.tensor([0])),
        lambda x: torch.randn(2, device=DEVICE, generator=torch.Generator()),
    ],
)
def test_tensors_and_generators_of_two_devices_do_not_mix(mix: Callable[[Tensor], Tensor]) -> None:
    with SimulatedDevice(), pytest.raises(MixedDevices, match=str(DEVICE)):
        mix(on_device(CPU_PAIR))


@pytest.mark.parametrize(
    ("act", "waits"),
    [
        (lambda x: x.sum().item(), 1),
        (lambda x: bool((x > 0).all()), 1),
        (lambda x: x.tolist(), 1),
        (lambda x: x.cpu(), 1),
        (lambda x: x[x > 1], 1),
        (lambda x: x.nonzero(), 1),
        (lambda x: x[torch.tensor([1])], 1),
        (lambda x: x.copy_(CPU_PAIR), 1),
        (lambda x: torch.tensor(1.0, device=DEVICE), 1),
        (lambda x: CPU_PAIR.to(DEVICE), 1),
        (lambda x: CPU_PAIR.to(DEVICE, non_blocking=True), 0),
        (lambda x: x.to("cpu", non_blocking=True), 0),
        (lambda x: torch.full((), 1.0, device=DEVICE) + x, 0),
        (lambda x: torch.where(x > 1, x, 0.0).masked_fill_(x > 1, 2.0), 0),
        (lambda x: x[on_device(torch.tensor([1]))] + torch.tensor(2.0), 0),
        (lambda x: torch.arange(2, device=DEVICE).double(), 0),
    ],
)
def test_what_makes_the_host_wait_is_counted(act: Callable[[Tensor], object], waits: int) -> None:
    with SimulatedDevice() as device:
        act(on_device(CPU_PAIR.clone()))
    assert sum(device.waits.values()) == waits


def test_gradients_are_those_of_the_cpu() -> None:
    layers = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    layers(CPU_PAIR).sum().backward()
    with SimulatedDevice():
        moved = on_device(layers)
        moved(on_device(CPU_PAIR)).sum().backward()
        assert all(p.grad.device == DEVICE for p in moved.parameters())
    for ours, theirs in zip(moved.parameters(), layers.parameters(), strict=True):
        assert torch.equal(on_cpu(ours.grad), theirs.grad)
