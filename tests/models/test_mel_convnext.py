from __future__ import annotations

from pathlib import Path

import pytest
import torch

from priordiff import MelConvNeXt


def small(**options: object) -> MelConvNeXt:
    torch.manual_seed(0)
    model = MelConvNeXt(**{"n_mels": 8, "condition_channels": 4, "channels": 8, "layers": 2, **options})
    for parameter in model.parameters():  # fresh, it says zero whatever goes in
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def test_a_fresh_network_predicts_zero() -> None:
    assert not MelConvNeXt(8, 4, 8, 2)(torch.randn(2, 8, 9), 3, torch.randn(2, 4, 9)).any()


@pytest.mark.parametrize("prior_condition", ["none", "channels"])
def test_it_is_saved_and_loaded(prior_condition: str, tmp_path: Path) -> None:
    model = small(prior_condition=prior_condition)
    model.save_pretrained(tmp_path)
    loaded = MelConvNeXt.from_pretrained(tmp_path)
    x, condition = torch.randn(2, 8, 9), torch.randn(2, 4, 9)
    prior = (x, x.exp()) if prior_condition == "channels" else ()
    assert torch.equal(loaded(x, 3, condition, *prior), model(x, 3, condition, *prior))


@pytest.mark.parametrize("changed", ["sample", "condition"])
def test_a_frame_is_seen_by_as_many_as_the_kernels_span(changed: str) -> None:
    model = small()
    inputs = {"sample": torch.randn(1, 8, 21), "timestep": 3, "condition": torch.randn(1, 4, 21)}
    other = inputs[changed].clone()
    other[..., 10] += 1
    difference = (model(**inputs) - model(**{**inputs, changed: other})).abs().sum(dim=1)[0]
    assert (difference[4:17] > 0).all(), "two layers of kernel 7 see six frames to each side"
    assert not difference[:4].any()
    assert not difference[17:].any()


def test_the_step_and_the_moments_of_the_prior_matter() -> None:
    model, x, condition = small(prior_condition="channels"), torch.randn(1, 8, 9), torch.randn(1, 4, 9)
    first = model(x, 3, condition, x, x.exp())
    for others in ((300, condition, x, x.exp()), (3, condition, x + 1, x.exp()), (3, condition, x, x)):
        assert not torch.allclose(model(x, *others), first)


def test_an_item_is_in_a_batch_what_it_is_alone() -> None:
    model, x, condition = small(), torch.randn(2, 8, 9), torch.randn(2, 4, 9)
    mask = torch.arange(9) < torch.tensor([[9], [6]])
    steps = torch.tensor([3.0, 40.5])
    together = model(x, steps, condition, mask=mask)
    alone = model(x[1:, :, :6], steps[1:], condition[1:, :, :6])
    torch.testing.assert_close(together[1, :, :6], alone[0], rtol=0, atol=1e-5)
    assert not together[1, :, 6:].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 0}, "layers=0 must be at least 1"),
        ({"kernel_size": 4}, "kernel_size=4 must be a positive odd number"),
        ({"prior_condition": "yes"}, "prior_condition='yes'"),
    ],
)
def test_sizes_that_are_none_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MelConvNeXt(**options)


def test_inputs_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"condition has shape \(2, 4, 6\), expected \(2, 4, 5\)"):
        small()(torch.zeros(2, 8, 5), 3, torch.zeros(2, 4, 6))
    with pytest.raises(ValueError, match="prior_mean is missing"):
        small(prior_condition="channels")(torch.zeros(2, 8, 5), 3, torch.zeros(2, 4, 5))
