from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.counting import cost_of_step
from benchmarks.scale import tables
from benchmarks.scale_assumptions import CARDS, SCENARIOS, estimate

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"


class Product(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 5, bias=False)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers[0](x).exp()


@pytest.mark.skipif(not torch.__version__.startswith("2.14"), reason="others divide operations otherwise")
def test_the_page_has_the_numbers_that_the_script_computes() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for table in tables():
        body = str(table).partition("\n\n")[2]
        assert body in page, f"docs/scale.md lacks what benchmarks/scale.py says now:\n{body}"


def test_a_step_is_counted_as_on_paper() -> None:
    cost = cost_of_step(Product, {"x": (4, 6)})
    assert (cost.parameters, cost.largest) == (30, 30)
    # The product, and the gradient of the weights; none of the input's is needed.
    assert cost.flops == 2 * (2 * 4 * 6 * 5)
    # The input and the exponential, and the mean square's argument, which is the exponential.
    assert cost.activations == 4 * (4 * 6 + 4 * 5)
    assert cost == cost_of_step(Product, {"x": (4, 6)}, "cpu")


def test_shared_weights_take_less_memory_and_no_link_makes_links_the_bound() -> None:
    scenario = SCENARIOS[-1]
    cost = dataclasses.replace(cost_of_step(Product, {"x": (4, 6)}), parameters=10**9, flops=1e15)
    by_all, shared = (estimate(scenario, cost, CARDS["H100 SXM"], each) for each in ("DDP", "FSDP"))
    assert by_all.memory - shared.memory == pytest.approx(20e9 * 63 / 64, rel=0.01)
    assert shared.steps_per_second > by_all.steps_per_second
    slower = dataclasses.replace(cost, flops=1e9)
    assert estimate(scenario, slower, CARDS["H100 SXM"], "DDP").bound == "links"
