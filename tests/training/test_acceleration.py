"""Compilers, memory formats and recomputation: what is learned and saved stays the same."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DModel
from safetensors.torch import load_file
from torch import Tensor, nn

from priordiff.training import Trainer, load_config
from priordiff.training.acceleration import check_compiler, prepare_network, tf32_products
from priordiff.training.options import TrainingConfig
from tests.training.toy import ToyConfig, ToyTask, assert_same, final_state, train

CPU = torch.device("cpu")


class PictureTask(ToyTask):
    """The toy's noisy lines as pictures of 8 × 8, for a network of diffusers."""

    def __init__(self, dropout: float = 0.0, **faults: int) -> None:
        super().__init__(**faults)
        torch.manual_seed(0)
        blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
        sizes = {"in_channels": 1, "out_channels": 1, "block_out_channels": (8,), "layers_per_block": 1}
        unet = UNet2DModel(
            sample_size=8, **blocks, **sizes, norm_num_groups=4, dropout=dropout, add_attention=False
        )
        self.model = nn.ModuleDict({"unet": unet})
        self.model.forward = lambda pictures: unet(pictures, 0).sample  # type: ignore[method-assign]

    def loss_counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        return {"picture": 64 * len(batch["x"])}

    def loss_sums(
        self, model: nn.Module, batch: dict[str, Tensor], generators: Sequence[torch.Generator]
    ) -> dict[str, Tensor]:
        self.calls += 1
        if self.calls == self.signal_at:
            signal.raise_signal(self.signal_number)
        noise = torch.stack([torch.randn(1, 8, 8, generator=each) for each in generators]).to(
            batch["x"].device
        )
        pictures = batch["x"].mean(1)[:, None, None, None] + noise
        return {"picture": (model(pictures) - noise).square().sum()}

    def evaluate(self, step: int) -> Any:
        assert not self.model.training
        self.model(torch.zeros(1, 1, 8, 8, device=next(self.model.parameters()).device))
        return type("Evaluation", (), {"metrics": {}, "audio": {}, "images": {}})


def train_pictures(run_dir: Path, *overrides: str, resume: bool = False, **faults: int) -> PictureTask:
    fixed = ("training.num_steps=3", "training.evaluate_every=2", "training.checkpoint_every=null")
    config = load_config(ToyConfig, overrides=[*fixed, *overrides])
    task = PictureTask(config.dropout, **faults)
    Trainer(task, config.training, run_dir, config).fit(resume)
    return task


@pytest.mark.parametrize(
    ("override", "dropout"),
    [
        ("training.compile=eager", 0.2),
        ("training.channels_last=true", 0.0),  # which the mask of a dropout would follow
        ("training.gradient_checkpointing=true", 0.2),
    ],
)
def test_the_weights_are_those_of_a_plain_training_under_the_same_names(
    tmp_path: Path, override: str, dropout: float
) -> None:
    train_pictures(tmp_path / "plain", f"dropout={dropout}")
    train_pictures(tmp_path / "other", f"dropout={dropout}", override)
    state, expected = final_state(tmp_path / "other"), final_state(tmp_path / "plain")
    for part in ("model", "export"):
        assert state[part].keys() == expected[part].keys()
        for name, weights in expected[part].items():
            torch.testing.assert_close(state[part][name], weights, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_run_that_was_stopped_ends_with_the_bits_of_an_unbroken_one(
    tmp_path: Path, backend: str
) -> None:
    overrides = (f"training.compile={backend}", "dropout=0.3")
    train(tmp_path / "unbroken", *overrides)
    train(tmp_path / "stopped", *overrides, signal_at=5, signal_number=signal.SIGTERM)
    train(tmp_path / "stopped", *overrides, resume=True)
    assert_same(final_state(tmp_path / "stopped"), final_state(tmp_path / "unbroken"))


def test_a_run_goes_on_without_the_compiler_and_the_recomputation_with_which_it_began(tmp_path: Path) -> None:
    overrides = ("training.compile=eager", "training.gradient_checkpointing=true")
    train_pictures(tmp_path, *overrides, signal_at=1, signal_number=signal.SIGTERM)
    task = train_pictures(tmp_path, resume=True)
    assert final_state(tmp_path)["step"] == "step-00000003"
    assert not task.model["unet"].is_gradient_checkpointing


def test_the_network_itself_is_compiled_for_the_steps_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled, real = [], torch.compile

    def record(model: nn.Module, **options: Any) -> Any:
        compiled.append((model, options["backend"]))
        return real(model, **options)

    monkeypatch.setattr(torch, "compile", record)
    task = train(tmp_path, "training.compile=eager", "training.mixed_precision=bf16")
    assert compiled[-1] == (task.model, "eager")
    assert task.model.forward.__func__ is nn.Sequential.forward
    assert not any("_orig_mod" in name for name in final_state(tmp_path)["model"])


def test_convolutions_lie_with_the_channels_last_in_training_and_as_usual_in_files(tmp_path: Path) -> None:
    task = PictureTask()
    trainer = Trainer(task, TrainingConfig(channels_last=True, mixed_precision="no", num_steps=1), tmp_path)
    weight = task.model["unet"].down_blocks[0].resnets[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    trainer.fit()
    saved = load_file(tmp_path / "model" / "weights.safetensors")
    assert all(tensor.is_contiguous() for tensor in saved.values())


def test_recomputation_takes_less_memory_between_the_passes(tmp_path: Path) -> None:
    kept = []
    for enabled in (False, True):
        task = PictureTask()
        config = TrainingConfig(gradient_checkpointing=enabled, mixed_precision="no")
        prepare_network(task.model, config, CPU)
        kept.append(0)

        def count(tensor: Tensor) -> Tensor:
            kept[-1] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            task.model(torch.zeros(4, 1, 8, 8))
    assert kept[1] < 0.7 * kept[0]


def test_what_the_network_cannot_do_is_named() -> None:
    config = TrainingConfig(gradient_checkpointing=True)
    with pytest.raises(ValueError, match=r"gradient_checkpointing is True, but Sequential can't recompute"):
        prepare_network(ToyTask().model, config, CPU)


def test_a_compiler_that_does_not_work_here_or_is_unknown_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(network: nn.Module, backend: str) -> Callable[..., Any]:
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\nin torch._inductor")

    monkeypatch.setattr(torch, "compile", fail)
    with pytest.raises(
        ValueError, match=r"compile is 'inductor', but .* \(InvalidCxxCompiler: .*set it to null"
    ):
        check_compiler("inductor", CPU)
    with pytest.raises(ValueError, match=r"compile is 'gcc': expected one of aot_eager, .*inductor"):
        TrainingConfig(compile="gcc")


@pytest.mark.parametrize(
    ("capability", "cuda", "expected"),
    [((9, 0), "12.8", True), ((7, 5), "12.8", False), ((9, 4), None, False)],
)
def test_tf32_is_for_gpus_that_have_it(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], cuda: str | None, expected: bool
) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    config = TrainingConfig(tf32=True)
    if expected:
        prepare_network(nn.Linear(1, 1), config, torch.device("cuda:0"))
    else:
        with pytest.raises(ValueError, match="tf32 is True, but this cuda has none: expected an NVIDIA GPU"):
            prepare_network(nn.Linear(1, 1), config, torch.device("cuda:0"))
    with pytest.raises(ValueError, match="but this cpu has none"):
        prepare_network(nn.Linear(1, 1), config, CPU)


def test_tf32_is_allowed_for_the_time_of_the_training_alone() -> None:
    before = torch.get_float32_matmul_precision()
    with tf32_products(True):
        assert torch.get_float32_matmul_precision() == "high"
    with tf32_products(False):
        assert torch.get_float32_matmul_precision() == before == "highest"
