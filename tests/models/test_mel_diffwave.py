from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from priordiff import DiagonalPrior, MelDiffWave, PriorGradScheduler, prior_loss
from tests.golden import GoldenNumbers

NAMES = {"acoustic_small": "none", "acoustic_cond": "channels"}
BETAS = [0.001, 0.01, 0.05, 0.1, 0.5, 0.8]
STEPS = torch.tensor([17, 333])


class GoldenAcoustic(GoldenNumbers):
    """A decoder: its numbers, the network, and what its tensors mean, with the bands before the frames."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.model = MelDiffWave.from_neuralspeech(self.weights).eval()
        self.mask = (self.tensors["mel2ph"] > 0)[:, None]

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name].mT

    def prior(self) -> DiagonalPrior:
        return DiagonalPrior(self["mean"], self["std"])

    def predict(self, x: Tensor, t: Tensor | float) -> Tensor:
        told = self.model.config.prior_condition == "channels"
        prior = {"prior_mean": self["mean"], "prior_std": self["std"]} if told else {}
        with torch.no_grad():
            return self.model(x, t, self["cond"], mask=self.mask[:, 0], **prior)


@pytest.fixture(params=NAMES, scope="module")
def golden(request: pytest.FixtureRequest) -> GoldenAcoustic:
    return GoldenAcoustic(request.param)


def test_the_sizes_are_read_off_the_weights(golden: GoldenAcoustic) -> None:
    config = golden.model.config
    assert config.residual_channels == int(golden.metadata["C"])
    assert config.residual_layers == int(golden.metadata["L"])
    assert config.condition_channels == int(golden.metadata["H"])
    assert config.n_mels == 80


def test_the_prediction_and_the_loss_are_the_published_ones(golden: GoldenAcoustic) -> None:
    scheduler = PriorGradScheduler(num_train_timesteps=400, beta_end=0.05)
    scheduler.set_prior(golden.prior())
    noisy = scheduler.add_noise(golden["x0"], golden["noise_0"], STEPS)
    model_input = scheduler.scale_model_input(noisy, STEPS)
    torch.testing.assert_close(model_input * golden.mask, golden["noisy"] * golden.mask, rtol=1e-5, atol=1e-5)
    prediction = golden.predict(golden["noisy"], STEPS)
    torch.testing.assert_close(prediction, golden["eps"], rtol=1e-5, atol=1e-5)
    target = scheduler.training_target(golden["x0"], golden["noise_0"], STEPS)
    loss = prior_loss(prediction, target, golden.prior(), mask=golden.mask)
    torch.testing.assert_close(loss, golden.tensors["loss"][0], rtol=1e-5, atol=1e-5)


def test_the_sampled_frames_are_the_published_ones(golden: GoldenAcoustic) -> None:
    scheduler = PriorGradScheduler(num_train_timesteps=400, beta_end=0.05)
    scheduler.set_prior(golden.prior())
    scheduler.set_timesteps(betas=BETAS)
    x = golden["noise_0"] * scheduler.init_noise_sigma
    noises = [golden[f"noise_{index}"] for index in range(1, len(BETAS))]
    for t, noise in zip(scheduler.timesteps, [*noises, noises[0]], strict=True):
        output = golden.predict(scheduler.scale_model_input(x, t), t)
        x = scheduler.step(output, t, x, variance_noise=noise).prev_sample
    torch.testing.assert_close(x * golden.mask, golden["mel_fast"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("wrapped", [False, True])
def test_published_weights_are_read_from_files(wrapped: bool, tmp_path: Path) -> None:
    weights = GoldenAcoustic("acoustic_small").weights
    if wrapped:
        torch.save({"model": {f"module.{key}": value for key, value in weights.items()}}, tmp_path / "a.pt")
        model = MelDiffWave.from_neuralspeech(tmp_path / "a.pt")
    else:
        save_file(weights, tmp_path / "a.safetensors")
        model = MelDiffWave.from_neuralspeech(tmp_path / "a.safetensors")
    expected = weights["input_projection.weight"]
    assert torch.equal(model.input_projection.weight[:, :, 0], expected)


def test_what_does_not_fit_is_named() -> None:
    weights = GoldenAcoustic("acoustic_small").weights
    weights["extra"] = weights.pop("skip_projection.bias")
    with pytest.raises(ValueError, match=r"missing: skip_projection\.bias; unexpected: extra"):
        MelDiffWave.from_neuralspeech(weights)


def small(**options: object) -> MelDiffWave:
    model = MelDiffWave(8, 4, 8, 3, **options)
    # A fresh network's output is zero, whatever goes in.
    torch.nn.init.normal_(model.output_projection.weight)
    return model.eval()


@pytest.mark.parametrize("prior_condition", ["none", "channels"])
def test_it_is_saved_and_loaded(prior_condition: str, tmp_path: Path) -> None:
    model = small(prior_condition=prior_condition)
    model.save_pretrained(tmp_path)
    loaded = MelDiffWave.from_pretrained(tmp_path)
    x, condition = torch.randn(2, 8, 9), torch.randn(2, 4, 9)
    prior = (x, x.exp()) if prior_condition == "channels" else ()
    assert torch.equal(loaded(x, 3, condition, *prior), model(x, 3, condition, *prior))


def test_frames_far_away_do_not_matter() -> None:
    model = small()
    x, condition = torch.randn(1, 8, 20), torch.randn(1, 4, 20)
    changed = x.clone()
    changed[..., 10:] += 1
    difference = (model(x, 3, condition) - model(changed, 3, condition)).abs().sum(dim=1)[0]
    assert (difference[:7] == 0).all(), "three layers of kernel 3 see three frames to each side"
    assert (difference[7:] > 0).all()


def test_padding_does_not_reach_the_other_frames() -> None:
    model = small()
    x, condition = torch.randn(2, 8, 9), torch.randn(2, 4, 9)
    mask = torch.arange(9) < torch.tensor([[9], [6]])
    alone = model(x[1:, :, :6], 3, condition[1:, :, :6], mask=mask[1:, :6])
    together = model(x, 3, condition, mask=mask)
    changed = model(torch.where(mask[:, None], x, 7.0), 3, condition, mask=mask)
    assert torch.equal(together, changed)
    assert not together[1, :, 6:].any()
    # The step's embedding stands in the padding, as in the published network: two frames at the end feel it.
    torch.testing.assert_close(together[1, :, :3], alone[0, :, :3], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ({}, {"sample": (2, 9, 5)}, r"sample has shape \(2, 9, 5\), expected \(batch, 8 mel bands, frames\)"),
        ({}, {"condition": (2, 4, 6)}, r"condition has shape \(2, 4, 6\), expected \(2, 4, 5\)"),
        ({}, {"timestep": (3,)}, r"timestep has shape \(3,\)"),
        ({}, {"mask": (2, 6)}, r"mask has shape \(2, 6\), expected \(2, 5\)"),
        ({}, {"prior_mean": (2, 8, 5)}, "prior_mean is given, but the model has prior_condition='none'"),
        ({"prior_condition": "channels"}, {"prior_mean": (2, 8, 5)}, "prior_std is missing"),
        (
            {"prior_condition": "channels"},
            {"prior_mean": (2, 8, 5), "prior_std": (2, 1, 5)},
            r"prior_std has shape \(2, 1, 5\), expected \(2, 8, 5\)",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_named(options: dict, arguments: dict, message: str) -> None:
    shapes = {"sample": (2, 8, 5), "timestep": (2,), "condition": (2, 4, 5), **arguments}
    with pytest.raises(ValueError, match=message):
        small(**options)(**{name: torch.zeros(shape) for name, shape in shapes.items()})


@pytest.mark.parametrize(
    ("options", "message"),
    [({"residual_layers": 0}, "residual_layers=0"), ({"prior_condition": "yes"}, "prior_condition='yes'")],
)
def test_sizes_that_are_none_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MelDiffWave(**options)


def test_the_defaults_are_the_published_sizes() -> None:
    with torch.device("meta"):
        model = MelDiffWave()
    assert sum(parameter.numel() for parameter in model.parameters()) == 3_522_384
