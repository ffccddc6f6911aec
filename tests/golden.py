"""Numbers computed with the published code, for small networks with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from priordiff import DiffWave, MelEnergyEstimator

FIXTURES = Path(__file__).parent / "fixtures"
PRIOR_CONDITIONS = {
    "vocoder_small": "none",
    "vocoder_cond": "mel_channel",
    "vocoder_condglobal": "conditioner",
}


class GoldenNumbers:
    """One file of numbers, and the published network's weights."""

    def __init__(self, name: str) -> None:
        with safe_open(FIXTURES / f"{name}.safetensors", "pt") as file:
            self.metadata = file.metadata()
            self.tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        self.seed = int(self.metadata["seed"])
        self.weights = self._fill(json.loads((FIXTURES / f"{name}.state.json").read_text()))

    def _fill(self, shapes: dict[str, list[int]]) -> dict[str, Tensor]:
        random = np.random.RandomState(self.seed)
        state_dict = {}
        for key in sorted(shapes):
            shape = shapes[key]
            scale = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
            state_dict[key] = torch.from_numpy((random.standard_normal(shape) * scale).astype(np.float32))
        state_dict["output_projection.weight"] *= 0.4
        state_dict["output_projection.bias"] *= 0.02
        return state_dict


class Golden(GoldenNumbers):
    """A vocoder: its numbers, the network, and the white noise in the order of drawing."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.model = DiffWave.from_neuralspeech(
            self.weights,
            dilation_cycle_length=int(self.metadata["cyc"]),
            prior_condition=PRIOR_CONDITIONS[name],
        ).eval()
        self.estimator = MelEnergyEstimator(hop_length=256)
        self.estimator.energy_min.copy_(self.tensors["energy_min"].squeeze())

    def draws(self, count: int) -> list[Tensor]:
        random = np.random.RandomState(self.seed + 2)
        shape = (1, 256 * int(self.metadata["frames"]))
        draws = [random.standard_normal(shape).astype(np.float32) for _ in range(count)]
        return [torch.from_numpy(draw)[:, None] for draw in draws]

    def predict(self, x: Tensor, t: Tensor | float) -> Tensor:
        asks_for_std = self.model.config.prior_condition != "none"
        condition = {"prior_std": self.tensors["std"]} if asks_for_std else {}
        with torch.no_grad():
            return self.model(x, torch.as_tensor(t), self.tensors["mel"], **condition)
