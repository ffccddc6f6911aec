"""Training on an accelerator: the weights are those of the CPU, in every way of being quick."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from accelerate.state import AcceleratorState

from priordiff.training import Trainer, TrainingConfig
from priordiff.training.data import make_loader
from priordiff.training.optimization import make_optimizer
from tests.accelerator.on_device import assert_close, no_waits
from tests.accelerator.training import QuietTask
from tests.training.test_acceleration import train_pictures
from tests.training.toy import assert_same, final_state, toy_training, train, train_in_process

pytestmark = pytest.mark.accelerator


def train_on_cpu(monkeypatch: pytest.MonkeyPatch, run: Path, *overrides: str) -> dict[str, Any]:
    AcceleratorState._reset_state(reset_partial_state=True)
    with monkeypatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        train(run, *overrides)
    AcceleratorState._reset_state(reset_partial_state=True)
    return final_state(run)


def has_bfloat16(device: torch.device) -> bool:
    return device.type != "cuda" or torch.cuda.get_device_capability(device) >= (8, 0)


def test_weights_are_those_of_the_cpu(
    tmp_path: Path, accelerator: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train_on_cpu(monkeypatch, tmp_path / "cpu")
    task = train(tmp_path / "device")
    assert next(task.model.parameters()).device.type == accelerator.type
    for part in ("model", "export"):
        assert_close(final_state(tmp_path / "device")[part], expected[part])


@pytest.mark.parametrize("options", [(), ("training.num_workers=2",), ("training.mixed_precision=bf16",)])
def test_a_stopped_and_resumed_run_ends_with_the_bits_of_an_unbroken_one(
    tmp_path: Path, accelerator: torch.device, options: tuple[str, ...]
) -> None:
    if "training.mixed_precision=bf16" in options and not has_bfloat16(accelerator):
        pytest.skip("it has no bfloat16")
    train(tmp_path / "unbroken", "dropout=0.3", *options)
    train(tmp_path / "stopped", "dropout=0.3", *options, signal_at=5, signal_number=signal.SIGTERM)
    train(tmp_path / "stopped", "dropout=0.3", *options, resume=True)
    assert_same(final_state(tmp_path / "stopped"), final_state(tmp_path / "unbroken"))


@pytest.mark.parametrize(
    ("option", "tolerance"),
    [
        ("mixed_precision=bf16", 0.05),
        ("mixed_precision=fp16", 0.01),  # with its gradient scaler
        ("tf32=true", 0.01),
        ("compile=inductor", 1e-3),
    ],
)
def test_options_leave_what_is_learned_alone(
    tmp_path: Path, cuda: torch.device, option: str, tolerance: float
) -> None:
    if option != "mixed_precision=fp16" and not has_bfloat16(cuda):
        pytest.skip(f"this GPU has no units for {option}")
    train(tmp_path / "plain")
    train(tmp_path / "quick", f"training.{option}")
    state, expected = (final_state(tmp_path / name)["model"] for name in ("quick", "plain"))
    for name, weight in expected.items():
        assert float((state[name] - weight).norm() / weight.norm()) < tolerance, name


@pytest.mark.parametrize("option", ["channels_last=true", "gradient_checkpointing=true"])
def test_options_of_memory_leave_the_weights_alone(tmp_path: Path, cuda: torch.device, option: str) -> None:
    train_pictures(tmp_path / "plain")
    train_pictures(tmp_path / "other", f"training.{option}")
    assert_close(final_state(tmp_path / "other")["model"], final_state(tmp_path / "plain")["model"])


def test_the_optimizer_is_fused(cuda: torch.device) -> None:
    optimizer, _ = make_optimizer(torch.nn.Linear(1, 1).to(cuda), toy_training(), cuda)
    assert optimizer.defaults["fused"] is True


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_in_pinned_memory(tmp_path: Path, cuda: torch.device, num_workers: int) -> None:
    task = QuietTask()
    order = Trainer(task, toy_training(), tmp_path).order
    loader = make_loader(task.dataset, task.collate, order, 0, 2, num_workers, pin_memory=True)
    assert all(value.is_pinned() for batch in loader for value in batch.values())


@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_nothing_waits_for_the_device_within_a_step(
    tmp_path: Path, cuda: torch.device, precision: str, accumulation: int
) -> None:
    if precision == "bf16" and not has_bfloat16(cuda):
        pytest.skip("it has no bfloat16")
    config = toy_training()
    config.mixed_precision, config.gradient_accumulation_steps = precision, accumulation
    task = QuietTask()
    trainer = Trainer(task, config, tmp_path)
    batches = list(make_loader(task.dataset, task.collate, trainer.order, 0, 5, pin_memory=True))
    steps = [batches[start : start + accumulation] for start in range(0, len(batches), accumulation)]
    for number, step in enumerate(steps):
        if number < 2:  # in which the optimizer makes its state, and libraries what they need
            trainer._step(step, Mock(requested=False))
            continue
        with no_waits():
            trainer._step(step, Mock(requested=False))
    trainer._look(ahead=0)


def test_two_gpus_train_as_one_with_a_doubled_batch(tmp_path: Path, cuda: torch.device) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("there is one GPU")
    train(tmp_path / "one", "training.batch_size=4")
    options = {"num_processes": 2, "on_accelerators": True}
    assert train_in_process(tmp_path / "two", "training.batch_size=2", **options) == [0, 0]
    one, two = final_state(tmp_path / "one"), final_state(tmp_path / "two")
    assert_close(two["model"], one["model"])


def test_a_gpu_trains_in_bfloat16_by_default(cuda: torch.device, tmp_path: Path) -> None:
    if torch.version.cuda is None or not has_bfloat16(cuda):
        pytest.skip("it has no units for it")
    config = TrainingConfig(trackers=[])
    assert Trainer(QuietTask(), config, tmp_path).config.mixed_precision == "bf16"
