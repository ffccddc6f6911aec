"""Precision: half the bits only where that is faster, and the same for the whole of a run."""

from __future__ import annotations

import functools
import logging
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from priordiff.training import Trainer, TrainingConfig, load_config, precision
from priordiff.training.precision import bfloat16_cost, choose_precision
from tests.training.toy import (
    ToyConfig,
    ToyTask,
    assert_same,
    final_state,
    pretend_cost,
    train,
    train_in_process,
)

CPU = torch.device("cpu")
ON_CPU_ALONE = pytest.mark.skipif(
    torch.cuda.is_available() or torch.backends.mps.is_available(), reason="for CPUs alone"
)

SetCost = Callable[[float], None]


@pytest.fixture
def set_cost(monkeypatch: pytest.MonkeyPatch) -> SetCost:
    return functools.partial(pretend_cost, monkeypatch)


def stored(run: Path) -> str:
    return load_config(ToyConfig, run / "config.yaml").training.mixed_precision


@pytest.mark.parametrize(("cost", "expected"), [(0.5, "bf16"), (0.85, "no"), (0.99, "no"), (15.0, "no")])
def test_a_cpu_trains_in_bfloat16_only_where_that_is_measured_to_be_faster(
    set_cost: SetCost, cost: float, expected: str
) -> None:
    set_cost(cost)
    assert choose_precision("auto", CPU) == expected


@pytest.mark.parametrize(
    ("capability", "cuda", "expected"),
    [((9, 0), "12.8", "bf16"), ((8, 0), "12.8", "bf16"), ((7, 5), "12.8", "no"), ((10, 3), None, "no")],
)
def test_a_gpu_trains_in_bfloat16_only_where_it_is_known_to_have_units_for_it(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], cuda: str | None, expected: str
) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose_precision("auto", torch.device("cuda:0")) == expected


def test_other_devices_train_in_float32() -> None:
    assert choose_precision("auto", torch.device("mps")) == "no"


@pytest.mark.parametrize("requested", ["no", "bf16", "fp16"])
def test_a_precision_that_is_asked_for_is_taken(set_cost: SetCost, requested: str) -> None:
    set_cost(15.0)
    assert choose_precision(requested, CPU) == requested


def test_bfloat16_on_a_cpu_that_emulates_it_warns_once_with_the_ratio(
    set_cost: SetCost, caplog: pytest.LogCaptureFixture
) -> None:
    set_cost(14.6)
    for _ in range(2):
        choose_precision("bf16", CPU)
    assert len(caplog.messages) == 1
    assert "about 15 times as slow as float32" in caplog.text
    assert "mixed_precision=auto" in caplog.text
    caplog.clear()
    set_cost(0.5)
    choose_precision("bf16", CPU)
    assert not caplog.messages


def test_the_measurement_disturbs_neither_random_numbers_nor_threads_nor_gradients() -> None:
    bfloat16_cost.cache_clear()
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    with torch.no_grad():
        assert 0.01 < bfloat16_cost() < 10_000
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the variables are for x86-64")
def test_a_cpu_that_may_use_avx2_alone_trains_in_float32() -> None:
    variables = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    program = (
        "import runpy, sys, torch\n"
        "names = runpy.run_path(sys.argv[1])\n"
        "print(names['fastest_precision'](torch.device('cpu')), names['bfloat16_cost']() > 1.5)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, precision.__file__],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.split() == ["no", "True"]


@ON_CPU_ALONE
def test_what_was_chosen_is_stored_with_the_run_and_kept_on_another_machine(
    tmp_path: Path, set_cost: SetCost, caplog: pytest.LogCaptureFixture
) -> None:
    set_cost(0.5)
    train(tmp_path / "unbroken", "training.mixed_precision=bf16")
    train(tmp_path / "moved", "training.mixed_precision=auto", signal_at=5, signal_number=signal.SIGTERM)
    assert stored(tmp_path / "moved") == "bf16"
    set_cost(15.0)
    with caplog.at_level(logging.WARNING):
        train(tmp_path / "moved", "training.mixed_precision=auto", resume=True)
    assert "about 15 times as slow" in caplog.text
    assert stored(tmp_path / "moved") == "bf16"
    assert_same(final_state(tmp_path / "moved"), final_state(tmp_path / "unbroken"))


@ON_CPU_ALONE
def test_a_run_begun_in_float32_stays_so_where_bfloat16_is_faster(tmp_path: Path, set_cost: SetCost) -> None:
    set_cost(0.5)
    train(tmp_path, "training.mixed_precision=no", "training.num_steps=2")
    train(tmp_path, "training.mixed_precision=auto", "training.num_steps=4", resume=True)
    assert stored(tmp_path) == "no"


@ON_CPU_ALONE
def test_a_run_is_not_resumed_in_another_precision_than_it_was_begun_in(
    tmp_path: Path, set_cost: SetCost
) -> None:
    set_cost(0.5)
    train(tmp_path, "training.mixed_precision=auto", "training.num_steps=2")
    with pytest.raises(ValueError, match=r"training\.mixed_precision is 'no', but the run in .* has 'bf16'"):
        train(tmp_path, "training.mixed_precision=no", resume=True)


def test_the_main_process_chooses_for_all(tmp_path: Path) -> None:
    options = {"num_processes": 2, "only_main_may_measure": True}
    assert train_in_process(tmp_path, "training.mixed_precision=auto", **options) == [0, 0]
    assert stored(tmp_path) == "bf16"


def test_a_choice_that_can_not_be_stored_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no part that is the TrainingConfig"):
        Trainer(ToyTask(), TrainingConfig(trackers=[]), tmp_path, ToyConfig())
