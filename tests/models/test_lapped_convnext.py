from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from priordiff import LappedConvNeXt
from priordiff.lapped_transform import inverse_mdct, mdct
from priordiff.models import ConvNeXtBlock

N_MELS, HOP_LENGTH = 6, 8


def make_model(**config: object) -> LappedConvNeXt:
    torch.manual_seed(0)
    defaults = {"channels": 12, "layers": 2, "n_mels": N_MELS, "hop_length": HOP_LENGTH}
    model = LappedConvNeXt(**{**defaults, **config})
    for parameter in model.parameters():  # fresh, it says zero whatever goes in
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def make_inputs(batch: int = 2, frames: int = 12, seed: int = 1) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return {
        "sample": torch.randn(batch, 1, frames * HOP_LENGTH, generator=random),
        "timestep": torch.arange(batch) + 1.0,
        "log_mel": torch.randn(batch, N_MELS, frames, generator=random) - 5,
    }


def test_the_defaults_have_seven_million_parameters() -> None:
    assert sum(parameter.numel() for parameter in LappedConvNeXt().parameters()) == 6_924_096


def test_a_fresh_network_predicts_zero() -> None:
    model = LappedConvNeXt(12, 2, n_mels=N_MELS, hop_length=HOP_LENGTH)
    assert (model(**make_inputs()) == 0).all()


def test_a_block_of_the_transform_is_seen_by_as_many_frames_as_the_kernels_span() -> None:
    model, inputs = make_model(), make_inputs(batch=1, frames=21)
    coefficients = mdct(inputs["sample"], HOP_LENGTH)
    coefficients[..., 10, :] += 1.0
    changed = model(**{**inputs, "sample": inverse_mdct(coefficients)})
    difference = mdct(changed - model(**inputs), HOP_LENGTH).abs().amax((0, 1, 3))
    seen = torch.zeros(21, dtype=torch.bool)
    seen[10 - 6 : 10 + 7] = True  # two kernels of 7
    assert (difference[seen] > 1e-4).all()
    assert (difference[~seen] < 1e-5).all()


def test_every_item_of_a_batch_is_what_it_is_alone() -> None:
    model, inputs = make_model(), make_inputs()
    alone = torch.cat(
        [model(**{name: value[index : index + 1] for name, value in inputs.items()}) for index in (0, 1)]
    )
    torch.testing.assert_close(model(**inputs), alone, rtol=1e-4, atol=1e-5)


def test_step_and_mel_change_the_prediction() -> None:
    model, inputs = make_model(), make_inputs()
    for name in ("timestep", "log_mel"):
        assert not torch.allclose(model(**inputs), model(**{**inputs, name: inputs[name] + 1}), atol=1e-3)


def test_gradients_reach_every_parameter_and_input() -> None:
    model, inputs = make_model(), make_inputs()
    inputs = {name: value.requires_grad_() for name, value in inputs.items()}
    model(**inputs).square().sum().backward()
    inputs.pop("timestep")
    for gradient in [parameter.grad for parameter in model.parameters()] + [x.grad for x in inputs.values()]:
        assert gradient is not None
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_it_keeps_the_dtype_of_its_input(dtype: torch.dtype) -> None:
    model, inputs = make_model(), make_inputs()
    expected = model(**inputs)
    inputs = {name: value.to(dtype) for name, value in inputs.items()}
    output = model.to(dtype)(**inputs)
    assert output.dtype == dtype
    tolerance = 1e-4 if dtype == torch.float64 else 0.2 * expected.std().item()
    torch.testing.assert_close(output.float(), expected, rtol=0, atol=max(tolerance, 1e-4) * 5)


def test_it_works_under_autocast() -> None:
    model, inputs = make_model(), make_inputs()
    with torch.autocast("cpu", torch.bfloat16):
        output = model(**inputs)
    assert output.dtype == torch.float32
    assert torch.corrcoef(torch.stack([output.flatten(), model(**inputs).flatten()]))[0, 1] > 0.99


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    model, inputs = make_model(), make_inputs()
    model.save_pretrained(tmp_path)
    loaded = LappedConvNeXt.from_pretrained(tmp_path)
    torch.testing.assert_close(loaded(**inputs), model(**inputs), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"layers": 0}, "layers=0 must be at least 1"),
        ({"expansion": 0}, "expansion=0 must be at least 1"),
        ({"kernel_size": 6}, "kernel_size=6 must be a positive odd number"),
        ({"hop_length": 7}, "hop_length=7 must be a positive even number"),
    ],
)
def test_a_bad_configuration_is_an_error(config: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make_model(**config)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"log_mel": torch.zeros(2, 5, 12)}, "expected (batch, 6 mel bands, frames)"),
        ({"sample": torch.zeros(2, 1, 95)}, "sample has shape (2, 1, 95), expected (2, 1, 96)"),
        ({"timestep": torch.zeros(3)}, "timestep has shape (3,)"),
    ],
)
def test_inputs_that_do_not_fit_are_an_error(changed: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make_model()(**{**make_inputs(), **changed})


def test_a_fresh_block_is_the_identity() -> None:
    x = torch.randn(2, 5, 8)
    assert torch.equal(ConvNeXtBlock(8, kernel_size=7, expansion=3)(x), x)
    assert torch.equal(ConvNeXtBlock(8, 7, 3, condition_channels=4)(x, torch.randn(2, 4)), x)
