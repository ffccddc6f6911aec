from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from priordiff import DiffWave
from tests.golden import PRIOR_CONDITIONS, Golden


def make_model(**config: object) -> DiffWave:
    defaults = {"residual_channels": 4, "residual_layers": 3, "dilation_cycle_length": 2, "n_mels": 6}
    model = DiffWave(**{**defaults, "hop_length": 8, **config})
    # A fresh network's output is zero, whatever goes in.
    torch.nn.init.normal_(model.output_projection.weight)
    return model


def make_inputs(model: DiffWave, batch: int = 2, frames: int = 3) -> dict[str, Tensor]:
    config = model.config
    inputs = {
        "sample": torch.randn(batch, 1, frames * config.hop_length),
        "timestep": torch.arange(batch) + 1.0,
        "log_mel": torch.randn(batch, config.n_mels, frames),
    }
    if config.prior_condition != "none":
        inputs["prior_std"] = torch.rand(batch, frames)
    return inputs


@pytest.mark.parametrize("t", [0, 7, 49, 3.3])
@pytest.mark.parametrize("name", PRIOR_CONDITIONS)
def test_it_predicts_what_the_published_network_predicts(name: str, t: float) -> None:
    golden = Golden(name)
    std = golden.tensors["std"].repeat_interleave(256, dim=1)[:, None]
    prediction = golden.predict(golden.draws(1)[0] * std, t)
    torch.testing.assert_close(prediction[:, 0], golden.tensors[f"eps_t{t}"], rtol=1e-5, atol=1e-5)


def test_the_defaults_are_the_published_network() -> None:
    model = DiffWave()
    assert sum(parameter.numel() for parameter in model.parameters()) == 2_619_971
    assert [layer.dilated_conv.dilation[1] for layer in model.layers] == [2**i for i in range(10)] * 3
    assert [conv.kernel_size for conv in model.mel_upsampler.convs] == [(3, 32), (3, 32)]


def test_a_fresh_network_predicts_zero() -> None:
    model = DiffWave(4, 2, n_mels=6, hop_length=8)
    assert (model(**make_inputs(model)) == 0).all()


@pytest.mark.parametrize("hop_length", [1, 2, 3, 7, 13, 64, 100, 101, 255, 300])
def test_any_hop_length_works(hop_length: int) -> None:
    model = make_model(hop_length=hop_length)
    output = model(**make_inputs(model))
    assert output.shape == (2, 1, 3 * hop_length)
    assert output.isfinite().all()


@pytest.mark.parametrize(("hop_length", "block_size"), [(256, 16), (300, 4), (12, 12), (12, 3), (14, 2)])
def test_any_block_that_divides_the_hop_works(hop_length: int, block_size: int) -> None:
    model = make_model(hop_length=hop_length, block_size=block_size)
    assert model(**make_inputs(model)).shape == (2, 1, 3 * hop_length)


@pytest.mark.parametrize("n_mels", [1, 2, 80, 128])
@pytest.mark.parametrize("prior_condition", ["none", "mel_channel", "conditioner"])
def test_any_number_of_mel_bands_works(n_mels: int, prior_condition: str) -> None:
    model = make_model(n_mels=n_mels, prior_condition=prior_condition)
    assert model(**make_inputs(model)).shape == (2, 1, 24)


def test_moving_the_signal_by_a_block_moves_the_output_by_a_block() -> None:
    model = make_model(residual_layers=1, block_size=4)
    inputs = make_inputs(model)
    moved = {**inputs, "sample": inputs["sample"].roll(4, dims=-1)}
    log_mel = torch.zeros_like(inputs["log_mel"])
    outputs = [model(**{**each, "log_mel": log_mel}) for each in (inputs, moved)]
    # Away from the ends, where the convolutions see nothing but zeros.
    torch.testing.assert_close(outputs[0][..., 8:-8], outputs[1][..., 12:-4], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prior_condition", ["none", "mel_channel", "conditioner"])
@pytest.mark.parametrize("block_size", [1, 4])
def test_gradients_reach_every_parameter_and_input(prior_condition: str, block_size: int) -> None:
    model = make_model(prior_condition=prior_condition, block_size=block_size)
    inputs = make_inputs(model)
    tensors = {**dict(model.named_parameters()), **inputs}
    del tensors["timestep"]
    for tensor in tensors.values():
        tensor.requires_grad_()
    model(**inputs).square().sum().backward()
    assert [name for name, tensor in tensors.items() if tensor.grad is None or not tensor.grad.any()] == []


@pytest.mark.parametrize("prior_condition", ["none", "mel_channel", "conditioner"])
def test_every_input_matters(prior_condition: str) -> None:
    model = make_model(prior_condition=prior_condition)
    inputs = make_inputs(model)
    output = model(**inputs)
    for name, value in inputs.items():
        assert not torch.allclose(model(**{**inputs, name: value + 1}), output), name


def test_an_item_does_not_depend_on_its_neighbours_in_the_batch() -> None:
    model = make_model(prior_condition="mel_channel")
    inputs = make_inputs(model, batch=3)
    alone = [model(**{name: value[[i]] for name, value in inputs.items()}) for i in range(3)]
    torch.testing.assert_close(model(**inputs), torch.cat(alone))


@pytest.mark.parametrize("timestep", [5, 5.0, torch.tensor(5), torch.tensor([5]), torch.tensor([5, 5])])
def test_a_timestep_is_a_number_for_all_or_one_for_each(timestep: Tensor | float) -> None:
    model = make_model()
    inputs = make_inputs(model)
    expected = model(**{**inputs, "timestep": torch.tensor([5.0, 5.0])})
    assert torch.equal(model(**{**inputs, "timestep": timestep}), expected)


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.9])
def test_the_embedding_of_a_fractional_step_lies_on_the_line_between_its_neighbours(fraction: float) -> None:
    embedding = make_model().step_embedding
    # The linear layers after the sinusoids are not linear as a whole: look at what goes into them.
    seen = []
    embedding.projection1.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    embedding(torch.tensor([12.0, 13.0, 12.0 + fraction]), torch.float32)
    low, high, between = seen[0]
    torch.testing.assert_close(between, (1 - fraction) * low + fraction * high, atol=1e-5, rtol=0)


def test_the_steps_are_embedded_as_published() -> None:
    embedding = make_model().step_embedding
    seen = []
    embedding.projection1.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    embedding(torch.arange(50.0), torch.float32)
    angles = torch.arange(50.0)[:, None] * 10.0 ** (torch.arange(64.0) * 4 / 63)
    torch.testing.assert_close(seen[0], torch.cat([angles.sin(), angles.cos()], dim=1), atol=1e-2, rtol=0)


def test_it_trains_under_bfloat16_autocast() -> None:
    model = make_model(prior_condition="conditioner", block_size=2)
    inputs = make_inputs(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(**inputs)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), model(**inputs), rtol=0.1, atol=0.2)
    output.float().square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_it_runs_in_another_dtype() -> None:
    model = make_model().double()
    inputs = {name: value.double() for name, value in make_inputs(model).items()}
    assert model(**inputs).dtype == torch.float64


def test_a_saved_model_is_loaded_as_it_was(tmp_path: Path) -> None:
    model = make_model(block_size=4, prior_condition="conditioner")
    model.save_pretrained(tmp_path)
    loaded = DiffWave.from_pretrained(tmp_path)
    assert dict(loaded.config) == {**model.config, "_name_or_path": loaded.config["_name_or_path"]}
    inputs = make_inputs(model)
    torch.testing.assert_close(loaded(**inputs), model.eval()(**inputs))
    weights = loaded.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"residual_channels": 0}, "residual_channels=0 must be at least 1"),
        ({"residual_layers": -1}, "residual_layers=-1 must be at least 1"),
        ({"dilation_cycle_length": 0}, "dilation_cycle_length=0 must be at least 1"),
        ({"n_mels": 0}, "n_mels=0 must be at least 1"),
        ({"hop_length": 0}, "hop_length=0 must be at least 1"),
        ({"block_size": 0}, "block_size=0 must be at least 1"),
        ({"hop_length": 300, "block_size": 16}, "hop_length=300 is not a multiple of block_size=16"),
        (
            {"prior_condition": "mel"},
            "prior_condition='mel' must be 'none', 'mel_channel' or 'conditioner'",
        ),
    ],
)
def test_a_configuration_that_cannot_be_built_is_an_error(config: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make_model(**config)


@pytest.mark.parametrize(
    ("prior_condition", "inputs", "message"),
    [
        ("none", {"log_mel": torch.zeros(2, 5, 3)}, "log_mel has shape (2, 5, 3), expected (batch, 6 mel"),
        ("none", {"log_mel": torch.zeros(6, 3)}, "log_mel has shape (6, 3)"),
        ("none", {"sample": torch.zeros(2, 24)}, "sample has shape (2, 24), expected (2, 1, 24)"),
        ("none", {"sample": torch.zeros(2, 1, 23)}, "sample has shape (2, 1, 23), expected (2, 1, 24)"),
        ("none", {"sample": torch.zeros(1, 1, 24)}, "sample has shape (1, 1, 24), expected (2, 1, 24)"),
        ("none", {"timestep": torch.zeros(3)}, "timestep has shape (3,), expected one number or (2,)"),
        ("none", {"timestep": torch.zeros(2, 1)}, "timestep has shape (2, 1), expected one number or (2,)"),
        (
            "none",
            {"prior_std": torch.ones(2, 3)},
            "prior_std is given, but the model has prior_condition='none'",
        ),
        ("mel_channel", {"prior_std": None}, "prior_std is missing, but the model has prior_condition='mel"),
        ("conditioner", {"prior_std": None}, "prior_std is missing"),
        ("conditioner", {"prior_std": torch.ones(2, 4)}, "prior_std has shape (2, 4), expected (2, 3)"),
        ("mel_channel", {"prior_std": torch.ones(2, 1, 3)}, "prior_std has shape (2, 1, 3), expected (2, 3)"),
    ],
)
def test_inputs_that_do_not_fit_are_an_error_in_one_line(
    prior_condition: str, inputs: dict, message: str
) -> None:
    model = make_model(prior_condition=prior_condition)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        model(**{**make_inputs(model), **inputs})
    assert "\n" not in str(error.value)
