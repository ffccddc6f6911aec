"""A configuration of another scheduler makes one with the same noise levels, or is refused by name."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    EDMEulerScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

import priordiff
from priordiff import PriorGradScheduler
from priordiff.schedulers import prior_scheduler_class, scheduler_classes
from tests.schedulers.drivers import SUPPORTED, parameters_of

# Those whose noise levels are a table of betas; few training steps, some take long.
WITH_BETAS = [
    name
    for name in SUPPORTED
    if {"beta_start", "num_train_timesteps"} <= parameters_of(name).keys()
    and hasattr(scheduler_classes()[name](num_train_timesteps=20), "alphas_cumprod")
]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"},
    {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
    {"trained_betas": np.linspace(0.001, 0.02, 20, dtype=np.float32)},
    {"rescale_betas_zero_snr": True},
    {"snr_shift_scale": 2.0},
    {"use_flow_sigmas": True, "prediction_type": "flow_prediction"},
]


def close(levels: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(levels.double(), expected.double(), rtol=0, atol=1e-5)


def configured(name: str, options: dict[str, Any]) -> Any:
    return scheduler_classes()[name](num_train_timesteps=20, **options)


@pytest.mark.parametrize("name", WITH_BETAS)
def test_every_sibling_keeps_the_noise_levels_and_the_prediction_type_of_every_other_scheduler(
    name: str,
) -> None:
    sibling, kept = prior_scheduler_class(scheduler_classes()[name]), 0
    for other in WITH_BETAS:
        for options in OPTIONS:
            if not options.keys() <= parameters_of(other).keys():
                continue
            plain = configured(other, options)
            try:
                made = sibling.from_config(plain.config)
            except ValueError as error:
                (missing,) = re.findall(
                    r"\Asibling knows no (\w+), which is ", str(error).replace(sibling.__name__, "sibling")
                )
                assert missing not in parameters_of(name)
                assert plain.config[missing] in (True, "flow_prediction", "v_prediction", 2.0, 3.0)
                continue
            kept += 1
            # Some have to put a little signal where another has none.
            close(made.alphas_cumprod, plain.alphas_cumprod)
            assert made.config.get("prediction_type", "epsilon") == plain.config.get(
                "prediction_type", "epsilon"
            )
            assert len(made.alphas_cumprod) == 20
    assert kept >= 2 * (len(WITH_BETAS) - 2)  # all but those that shift the levels of theirs


def test_those_with_betas_are_found() -> None:
    assert len(WITH_BETAS) > 20
    assert {"LCMScheduler", "CogVideoXDDIMScheduler", "UniPCMultistepScheduler"} <= set(WITH_BETAS)


@pytest.mark.parametrize("name", WITH_BETAS)
def test_the_paper_s_scheduler_takes_the_place_of_any_with_betas_and_gives_it_back(name: str) -> None:
    for options in OPTIONS[:5]:
        if not options.keys() <= parameters_of(name).keys() or "snr_shift_scale" in parameters_of(name):
            continue
        plain = configured(name, options)
        swapped = PriorGradScheduler.from_config(plain.config)
        close(swapped.alphas_cumprod, plain.alphas_cumprod)
        for option in {*inspect.signature(DDPMScheduler).parameters} & plain.config.keys() - {
            "variance_type"
        }:
            assert str(swapped.config[option]) == str(plain.config[option])
        back = type(plain).from_config(swapped.config)
        close(back.alphas_cumprod, plain.alphas_cumprod)
        if "timestep_spacing" in plain.config:
            assert back.config.timestep_spacing == plain.config.timestep_spacing


def test_defaults_of_the_paper_s_scheduler_go_to_a_plain_one_too() -> None:
    back = DDPMScheduler.from_config(PriorGradScheduler().config)
    assert (back.config.num_train_timesteps, back.config.beta_end) == (50, 0.05)
    assert back.config.timestep_spacing == "leading"
    back.set_timesteps(5)


@pytest.mark.parametrize("name", ["DDIMScheduler", "EulerDiscreteScheduler", "LCMScheduler"])
def test_a_folder_is_read_as_the_scheduler_was_that_wrote_it(name: str, tmp_path: Path) -> None:
    plain = scheduler_classes()[name](num_train_timesteps=30)
    plain.save_pretrained(tmp_path / "scheduler")
    for sibling in (PriorGradScheduler, priordiff.PriorGradPNDMScheduler):
        loaded = sibling.from_pretrained(tmp_path, subfolder="scheduler")
        assert torch.equal(loaded.alphas_cumprod, plain.alphas_cumprod)
    # A file of an older release has less in it.
    file = tmp_path / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({"_class_name": name, "beta_end": 0.01}))
    loaded = PriorGradScheduler.from_pretrained(tmp_path, subfolder="scheduler")
    expected = scheduler_classes()[name].from_pretrained(tmp_path, subfolder="scheduler")
    assert torch.equal(loaded.alphas_cumprod, expected.alphas_cumprod)
    assert loaded.config.timestep_spacing == expected.config.timestep_spacing


def test_keywords_are_stronger_than_the_configuration() -> None:
    config = DDIMScheduler(rescale_betas_zero_snr=True).config
    assert PriorGradScheduler.from_config(config, beta_end=0.01).config.beta_end == 0.01
    with pytest.raises(
        ValueError, match="PriorGradPNDMScheduler knows no rescale_betas_zero_snr, which is True"
    ):
        priordiff.PriorGradPNDMScheduler.from_config(config)
    meant = priordiff.PriorGradPNDMScheduler.from_config(config, rescale_betas_zero_snr=False)
    assert torch.equal(meant.alphas_cumprod, PNDMScheduler().alphas_cumprod)


@pytest.mark.parametrize(
    "plain",
    [FlowMatchEulerDiscreteScheduler(shift=3.0), EDMEulerScheduler()],
    ids=lambda each: type(each).__name__,
)
def test_noise_levels_of_another_kind_are_refused_by_name(plain: Any, tmp_path: Path) -> None:
    named = "shift" if "shift" in plain.config else "sigma_data"
    plain.save_pretrained(tmp_path)
    for sibling in (
        PriorGradScheduler,
        priordiff.PriorGradDDIMScheduler,
        priordiff.PriorGradUniPCMultistepScheduler,
    ):
        for make in (
            lambda cls=sibling: cls.from_config(plain.config),
            lambda cls=sibling: cls.from_pretrained(tmp_path),
        ):
            with pytest.raises(
                ValueError, match=rf"\A{sibling.__name__} has its noise levels from beta_end, .*{named}"
            ):
                make()
    for config in (DDIMScheduler().config, UniPCMultistepScheduler().config):
        with pytest.raises(ValueError, match=r"this configuration has .*beta_start"):
            prior_scheduler_class(type(plain)).from_config(config)


def test_a_solver_of_both_kinds_takes_a_flow_that_is_asked_of_it() -> None:
    config = FlowMatchEulerDiscreteScheduler(shift=3.0).config
    made = priordiff.PriorGradUniPCMultistepScheduler.from_config(
        config, use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0
    )
    assert made.config.flow_shift == 3.0
    with pytest.raises(ValueError, match="PriorGradScheduler knows no use_flow_sigmas, which is True"):
        PriorGradScheduler.from_config(made.config)
