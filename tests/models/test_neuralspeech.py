from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from priordiff import DiffWave
from tests.golden import PRIOR_CONDITIONS, Golden


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden("vocoder_small")


def load(source: object, **options: object) -> DiffWave:
    return DiffWave.from_neuralspeech(source, **{"dilation_cycle_length": 2, **options})


def assert_same(model: DiffWave, golden: Golden) -> None:
    weights = model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in golden.model.state_dict().items())
    assert model.config.residual_channels == 8
    assert model.config.residual_layers == 4


def test_the_published_training_checkpoint_is_read(golden: Golden, tmp_path: Path) -> None:
    optimizer = {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 2e-4}]}
    checkpoint = {"model": golden.weights, "optimizer": optimizer, "step": 1_000_000, "grad_norm": 0.1}
    torch.save(checkpoint, tmp_path / "weights.pt")
    assert_same(load(tmp_path / "weights.pt"), golden)
    assert_same(load(checkpoint), golden)


def test_weights_of_a_model_on_several_devices_are_read(golden: Golden, tmp_path: Path) -> None:
    weights = {f"module.{name}": value for name, value in golden.weights.items()}
    torch.save({"model": weights}, tmp_path / "weights.pt")
    assert_same(load(tmp_path / "weights.pt"), golden)


@pytest.mark.parametrize("kind", [str, Path])
def test_weights_alone_are_read_from_either_format(kind: type, golden: Golden, tmp_path: Path) -> None:
    torch.save(golden.weights, tmp_path / "weights.pt")
    save_file(golden.weights, tmp_path / "weights.safetensors")
    for name in ("weights.pt", "weights.safetensors"):
        assert_same(load(kind(tmp_path / name)), golden)


def test_the_source_is_left_as_it_is(golden: Golden) -> None:
    before = {name: value.clone() for name, value in golden.weights.items()}
    model = load(golden.weights)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert all(torch.equal(golden.weights[name], value) for name, value in before.items())


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_pickled_code_is_not_executed(save: object, tmp_path: Path) -> None:
    save({"model": Payload(tmp_path / "executed")}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="no file of tensors alone, or damaged") as error:
        load(tmp_path / "weights.pt")
    assert "\n" not in str(error.value)
    assert "weights_only" not in str(error.value)
    assert not (tmp_path / "executed").exists()


def damaged_files(folder: Path, weights: dict[str, Tensor]) -> list[Path]:
    torch.save(weights, folder / "whole.pt")
    save_file(weights, folder / "whole.safetensors")
    contents = {
        "empty.pt": b"",
        "text.pt": b"hello world\n" * 9,
        "page.pt": b"<!DOCTYPE html><html></html>",
        "empty.safetensors": b"",
        "text.safetensors": b"hello world\n" * 9,
        "truncated.pt": (folder / "whole.pt").read_bytes()[:9000],
        "truncated.safetensors": (folder / "whole.safetensors").read_bytes()[:9000],
    }
    contents |= {f"byte{i}.pt": bytes([i]) + bytes(range(30)) for i in range(0, 256, 5)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_an_error_in_one_line(golden: Golden, tmp_path: Path) -> None:
    for path in damaged_files(tmp_path, golden.weights):
        with pytest.raises(ValueError, match=path.name) as error:
            load(path)
        assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such file of weights: .*nowhere\.pt"):
        load(tmp_path / "nowhere.pt")
    with pytest.raises(FileNotFoundError, match="no such file of weights"):
        load(tmp_path)


@pytest.mark.parametrize(
    "content", [[1, 2], torch.ones(3), {"model": [1]}, {"model": {"a": 1}}, {1: torch.ones(1)}, {"a": None}]
)
def test_anything_but_tensors_by_name_is_an_error(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="holds no state dict: expected tensors by name"):
        load(tmp_path / "weights.pt")
    if isinstance(content, dict):
        with pytest.raises(ValueError, match="the mapping holds no state dict"):
            load(content)


def test_every_key_that_does_not_fit_is_named(golden: Golden) -> None:
    weights = dict(golden.weights)
    del weights["skip_projection.bias"], weights["residual_layers.2.dilated_conv.weight"]
    weights["surprise"] = torch.zeros(1)
    weights["residual_layers.1.surprise.weight"] = torch.zeros(1)
    weights["residual_layers.0.diffusion_projection.bias"] = torch.zeros(9)
    weights["input_projection.bias"] = torch.zeros(())
    with pytest.raises(ValueError, match="not the weights of a published DiffWave") as error:
        load({f"module.{name}": value for name, value in weights.items()})
    missing, unexpected, wrong = str(error.value).split(": ", 1)[1].split("; ")
    assert missing == "missing: residual_layers.2.dilated_conv.weight, skip_projection.bias"
    assert unexpected == "unexpected: residual_layers.1.surprise.weight, surprise"
    assert wrong == (
        "wrong shape: input_projection.bias (), expected (8,), "
        "residual_layers.0.diffusion_projection.bias (9,), expected (8,)"
    )


@pytest.mark.parametrize("shape", [(), (8,), (8, 1)])
def test_a_first_layer_of_another_kind_is_of_the_wrong_shape(shape: tuple, golden: Golden) -> None:
    for key in ("input_projection.weight", "residual_layers.0.conditioner_projection.weight"):
        with pytest.raises(ValueError, match=f"wrong shape: .*{key}"):
            load({**golden.weights, key: torch.zeros(shape)})


def test_the_way_the_prior_is_told_must_fit_the_weights(golden: Golden) -> None:
    with pytest.raises(ValueError, match=r"missing: .*global_condition_upsampler.conv1.weight"):
        load(golden.weights, prior_condition="conditioner")
    with pytest.raises(ValueError, match=r"unexpected: global_condition_upsampler.conv1.bias"):
        load(Golden("vocoder_condglobal").weights, prior_condition="none")
    assert load(golden.weights, prior_condition="mel_channel").config.n_mels == 79


@pytest.mark.parametrize("name", PRIOR_CONDITIONS)
def test_the_way_the_prior_is_told_is_read_off_the_weights(name: str) -> None:
    golden = Golden(name)
    model = load(golden.weights, dilation_cycle_length=int(golden.metadata["cyc"]))
    assert model.config.prior_condition == PRIOR_CONDITIONS[name]
    assert model.config.n_mels == 80
    weights = golden.model.state_dict()
    assert all(torch.equal(weights[key], value) for key, value in model.state_dict().items())


def test_weights_with_as_many_mel_bands_can_be_told_from_those_with_a_channel_for_the_prior() -> None:
    assert load(Golden("vocoder_cond").weights, prior_condition="none").config.n_mels == 81


def test_our_own_names_are_not_published_ones(golden: Golden) -> None:
    twice = {**golden.weights, "layers.0.dilated_conv.bias": torch.zeros(16)}
    with pytest.raises(ValueError, match=r"unexpected: layers.0.dilated_conv.bias"):
        load(twice)
