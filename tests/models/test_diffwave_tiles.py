from __future__ import annotations

import pytest
import torch
from torch import Tensor

from priordiff import DiffWave
from priordiff.models import diffwave, diffwave_in_tiles
from priordiff.models.diffwave_tiles import TiledEvaluation

FRAMES = 30
CONFIGS = {
    "plain": {},
    "the prior as a mel channel, in blocks": {"prior_condition": "mel_channel", "block_size": 3},
    "the prior by itself": {"prior_condition": "conditioner", "block_size": 4},
    "wide": {"residual_layers": 7, "dilation_cycle_length": 5},
}


def make_model(**config: object) -> DiffWave:
    torch.manual_seed(0)
    sizes = {"residual_channels": 4, "residual_layers": 3, "dilation_cycle_length": 2, "n_mels": 6}
    model = DiffWave(**{**sizes, "hop_length": 12, **config}).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def make_inputs(model: DiffWave, frames: int = FRAMES, batch: int = 1) -> dict[str, Tensor]:
    inputs = {
        "sample": torch.randn(batch, 1, frames * model.config.hop_length, dtype=model.dtype),
        "timestep": torch.tensor(3.3),
        "log_mel": torch.randn(batch, model.config.n_mels, frames, dtype=model.dtype),
    }
    if model.config.prior_condition != "none":
        inputs["prior_std"] = torch.rand(batch, frames, dtype=model.dtype)
    return inputs


@pytest.mark.parametrize("tile", [1, 17, 64, 1000])
@pytest.mark.parametrize("name", CONFIGS)
def test_tiles_say_what_the_network_says_at_once(name: str, tile: int) -> None:
    model = make_model(**CONFIGS[name])
    inputs = make_inputs(model)
    std = inputs.get("prior_std", [None])[0]
    with torch.no_grad():
        evaluation = TiledEvaluation(model, 3.3, inputs["log_mel"][0], std, tile, torch.float64)
        prediction = evaluation(inputs["sample"][0, 0])
    torch.testing.assert_close(prediction, model(**inputs)[0, 0].detach(), rtol=1e-11, atol=1e-11)


@pytest.fixture
def tiled(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each prediction that was made so far was made in tiles."""
    calls: list[bool] = []
    suits = diffwave_in_tiles.suits_tiles

    def noted(*arguments: object) -> bool:
        calls.append(suits(*arguments))
        return calls[-1]

    monkeypatch.setattr(diffwave, "suits_tiles", noted)
    return calls


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-5)])
def test_without_gradients_long_waveforms_are_predicted_in_tiles(
    name: str, dtype: torch.dtype, tolerance: float, tiled: list[bool]
) -> None:
    model = make_model(**CONFIGS[name]).to(dtype)
    inputs = make_inputs(model, frames=100, batch=2)
    at_once = model(**inputs)
    with torch.no_grad():
        in_tiles = model(**inputs)
    assert tiled == [False, True]
    torch.testing.assert_close(in_tiles, at_once.detach(), rtol=tolerance, atol=tolerance)


def test_under_autocast_tiles_are_of_its_precision(tiled: list[bool]) -> None:
    model = make_model().float()
    inputs = make_inputs(model)
    with torch.no_grad():
        exact = model(**inputs)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = model(**inputs)
    assert tiled == [True, True]
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), exact, rtol=0.05, atol=0.05)


def test_what_is_not_in_the_weights_is_not_passed_over(tiled: list[bool]) -> None:
    model, seen = make_model(), []
    inputs = make_inputs(model)
    hook = model.layers[1].dilated_conv.register_forward_hook(lambda *_: seen.append(True))
    with torch.no_grad():
        model(**inputs)
        hook.remove()
        torch.nn.utils.parametrizations.weight_norm(model.layers[0].output_projection)
        model(**inputs)
    assert seen == [True]
    assert tiled == [False, False]


@pytest.mark.parametrize("change", [{"timestep": torch.tensor([1.0, 2.0])}, {"dtype": torch.float16}])
def test_what_tiles_cannot_do_is_done_at_once(change: dict[str, object], tiled: list[bool]) -> None:
    model = make_model().to(change.pop("dtype", torch.float64))
    with torch.no_grad():
        model(**{**make_inputs(model, batch=2), **change})
    assert tiled == [False]


def test_gradients_reach_the_frames_of_a_frozen_network(tiled: list[bool]) -> None:
    model = make_model().requires_grad_(False)
    inputs = make_inputs(model)
    model(**inputs)
    model(**{**inputs, "log_mel": inputs["log_mel"].requires_grad_()}).sum().backward()
    assert tiled == [True, False]
    assert inputs["log_mel"].grad.any()


def test_short_waveforms_are_predicted_at_once(tiled: list[bool]) -> None:
    with torch.no_grad():
        model = make_model()
        model(**make_inputs(model, frames=2))
    assert tiled == [False]
