from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from priordiff import DiffWave, MelDiffWave
from priordiff.models import diffwave_layers, position_tiles


def waveforms(**config: object) -> tuple[DiffWave, dict[str, Tensor]]:
    model = DiffWave(4, 5, 3, n_mels=6, hop_length=12, **config).double()
    inputs = {
        "sample": torch.randn(3, 1, 9 * 12),
        "timestep": torch.tensor([1.0, 2.5, 7.0]),
        "log_mel": torch.randn(3, 6, 9),
    }
    if model.config.prior_condition != "none":
        inputs["prior_std"] = torch.rand(3, 9)
    return model, {name: value.double() for name, value in inputs.items()}


def frames() -> tuple[MelDiffWave, dict[str, Tensor]]:
    model = MelDiffWave(6, 5, residual_channels=4, residual_layers=3).double()
    inputs = {
        "sample": torch.randn(2, 6, 11),
        "timestep": torch.tensor(3.0),
        "condition": torch.randn(2, 5, 11),
    }
    return model, {name: value.double() for name, value in inputs.items()}


CASES: dict[str, Callable[[], tuple]] = {
    "waveforms": waveforms,
    "the prior as a mel channel": lambda: waveforms(prior_condition="mel_channel"),
    "the prior by itself, in blocks": lambda: waveforms(prior_condition="conditioner", block_size=4),
    "frames": frames,
}


@pytest.fixture
def layer_by_layer(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr(diffwave_layers, "_suits_stack", lambda *_: False)


@pytest.mark.parametrize("tile", [1, 5, 40, 1000])
@pytest.mark.parametrize("name", CASES)
def test_it_gives_the_predictions_and_gradients_of_layer_by_layer(
    name: str, tile: int, layer_by_layer: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(position_tiles, "_TILE", tile)
    model, inputs = CASES[name]()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    tensors = [*model.parameters(), *(value for name, value in inputs.items() if name != "timestep")]
    for tensor in tensors:
        tensor.requires_grad_()

    def outcome() -> list[Tensor]:
        prediction = model(**inputs)
        weights = torch.linspace(-1, 1, prediction.numel(), dtype=prediction.dtype).view_as(prediction)
        gradients = torch.autograd.grad((prediction * weights).sum(), tensors, allow_unused=True)
        return [prediction, *(each for each in gradients if each is not None)]

    stacked = outcome()
    assert "ResidualStack" in _names_of_functions(model(**inputs))
    layer_by_layer()
    plain = outcome()
    assert "ResidualStack" not in _names_of_functions(model(**inputs))
    assert len(stacked) == len(plain)
    torch.testing.assert_close(stacked, plain, rtol=1e-9, atol=1e-9)


def _names_of_functions(output: Tensor) -> str:
    names, open_nodes = [], [output.grad_fn]
    while open_nodes:
        node = open_nodes.pop()
        names.append(node.name())
        open_nodes += [each for each, _ in node.next_functions if each is not None]
    return " ".join(names)


def test_a_layer_with_a_hook_is_called() -> None:
    model, inputs = waveforms()
    seen: list[bool] = []
    model.layers[2].output_projection.register_forward_hook(lambda *_: seen.append(True))
    model(**inputs)
    assert seen == [True]


def test_frozen_layers_hand_gradients_on() -> None:
    model, inputs = waveforms()
    torch.nn.init.normal_(model.output_projection.weight)
    model.layers.requires_grad_(False)
    model(**inputs).sum().backward()
    assert model.input_projection.weight.grad.any()
    assert model.mel_upsampler.convs[0].weight.grad.any()
    assert all(parameter.grad is None for parameter in model.layers.parameters())
