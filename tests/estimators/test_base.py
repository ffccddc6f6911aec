from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import priordiff
from priordiff import (
    DiagonalPrior,
    DiffWave,
    MelEnergyEstimator,
    MelSpectrumEstimator,
    PriorEstimator,
    PriorGradScheduler,
    VocoderPipeline,
    estimators,
)
from priordiff.estimators import (
    AxisCovarianceEstimator,
    ClassMomentsEstimator,
    FourierPowerEstimator,
    OffsetNoiseEstimator,
)


class BrightnessEstimator(PriorEstimator):
    def forward(self, image: Tensor) -> DiagonalPrior:
        return DiagonalPrior(mean=image.mean((1, 2, 3), keepdim=True), std=0.5)


@dataclass
class Count:
    value: int = 0

    def merge(self, other: Count) -> None:
        self.value += other.value


class CountingEstimator(PriorEstimator):
    """Its prior is as wide as there were items to fit on."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.tensor(0.0))

    def forward(self, x: Tensor) -> DiagonalPrior:
        return DiagonalPrior(torch.zeros_like(x), self.count)

    def new_statistics(self) -> Count:
        return Count()

    def observe(self, statistics: Count, x: Tensor, *others: Tensor) -> None:
        statistics.value += len(x)

    def conclude(self, statistics: Count) -> None:
        self.count.fill_(statistics.value)


def batches(start: int = 0, end: int = 6) -> Iterator[tuple[Tensor, Tensor]]:
    """Six batches of log-mel frames and waveforms for a hop of 4."""
    for seed in range(start, end):
        random = torch.Generator().manual_seed(seed)
        yield torch.randn(2, 3, 5, generator=random) - 2, 0.1 * torch.randn(2, 1, 20, generator=random)


def make_estimators() -> list[PriorEstimator]:
    return [
        MelEnergyEstimator(hop_length=4),
        MelSpectrumEstimator(n_mels=3, hop_length=4),
        ClassMomentsEstimator(num_classes=3, shape=(3,)),
        FourierPowerEstimator(shape=(3, 5)),
        AxisCovarianceEstimator(size=3),
    ]


def batches_for(estimator: PriorEstimator, start: int = 0, end: int = 6) -> Iterator[tuple[Tensor, ...]]:
    """The same batches, as each of the estimators above takes them."""
    for log_mel, waveform in batches(start, end):
        if isinstance(estimator, ClassMomentsEstimator):
            yield log_mel.argmax(1), log_mel
        elif isinstance(estimator, (FourierPowerEstimator, AxisCovarianceEstimator)):
            yield (log_mel,)
        else:
            yield log_mel, waveform


def test_five_lines_are_an_estimator() -> None:
    prior = BrightnessEstimator()(torch.full((2, 3, 4, 4), 0.25))
    torch.testing.assert_close(prior.sample((2, 3, 4, 4)).mean(), torch.tensor(0.25), rtol=0, atol=0.3)


def test_an_estimator_without_tensors_is_saved_and_moved_like_any_other(tmp_path: Path) -> None:
    BrightnessEstimator().save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    loaded = BrightnessEstimator.from_pretrained(tmp_path).to("cpu")
    assert loaded.device.type == "cpu"
    assert loaded(torch.ones(1, 3, 4, 4)).mean.item() == 1


def test_an_estimator_of_ones_own_is_fitted_saved_and_loaded(tmp_path: Path) -> None:
    estimator = CountingEstimator()
    assert estimator.fit(torch.zeros(n, 2) for n in (3, 4)) is estimator
    assert estimator(torch.zeros(1, 2)).std == 7
    estimator.fit([(torch.zeros(2, 2), torch.zeros(2, 2))])
    estimator.save_pretrained(tmp_path)
    assert CountingEstimator.from_pretrained(tmp_path)(torch.zeros(1, 2)).std == 2


def test_what_has_nothing_to_fit_says_so() -> None:
    with pytest.raises(TypeError, match="BrightnessEstimator has nothing to fit"):
        BrightnessEstimator().fit([torch.zeros(1)])


def test_what_is_missing_of_an_estimator_is_named() -> None:
    class Nothing(PriorEstimator):
        pass

    class Half(Nothing):
        def new_statistics(self) -> Count:
            return Count()

    with pytest.raises(NotImplementedError, match="Nothing has no forward"):
        Nothing()(torch.zeros(1))
    with pytest.raises(NotImplementedError, match="Half defines new_statistics, so it must define observe"):
        Half().fit([torch.zeros(1)])
    with pytest.raises(NotImplementedError, match="Half defines new_statistics, so it must define conclude"):
        Half().fit([])


def test_the_batches_of_a_data_loader_are_spread_over_the_arguments() -> None:
    for estimator in make_estimators():
        columns = (torch.cat(parts) for parts in zip(*batches_for(estimator), strict=True))
        loader = DataLoader(TensorDataset(*columns), batch_size=5)
        expected = copy.deepcopy(estimator.fit(batches_for(estimator)).state_dict())
        for name, value in estimator.fit(loader).state_dict().items():
            torch.testing.assert_close(value, expected[name])


def test_a_pipeline_loads_an_estimator_from_any_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a module that imports nothing of diffusers, where diffusers would look for its base classes.
    (tmp_path / "my_priors.py").write_text(
        "import priordiff\n"
        "class LoudnessEstimator(priordiff.PriorEstimator):\n"
        "    def forward(self, log_mel):\n"
        "        return priordiff.DiagonalPrior(0.0, 0.5)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    estimator = importlib.import_module("my_priors").LoudnessEstimator()
    model = DiffWave(residual_channels=8, residual_layers=2, n_mels=8, hop_length=16)
    VocoderPipeline(model, PriorGradScheduler(), estimator).save_pretrained(tmp_path / "vocoder")
    loaded = DiffusionPipeline.from_pretrained(tmp_path / "vocoder").estimator
    assert type(loaded).__name__ == "LoudnessEstimator"
    assert loaded(torch.zeros(1, 8, 5)).std == 0.5


def test_a_pipeline_loads_every_estimator_of_the_library(tmp_path: Path) -> None:
    class OwnPipeline(DiffusionPipeline):
        def __init__(self, estimator) -> None:  # type: ignore[no-untyped-def] # diffusers reads no strings
            super().__init__()
            self.register_modules(estimator=estimator)

    OwnPipeline(OffsetNoiseEstimator(0.3)).save_pretrained(tmp_path)
    loaded = OwnPipeline.from_pretrained(tmp_path).estimator
    assert (type(loaded), loaded.config.strength) == (OffsetNoiseEstimator, 0.3)
    for name in estimators.__all__:  # diffusers looks classes up in the package
        if name.endswith("Estimator"):
            assert getattr(priordiff, name) is getattr(estimators, name)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_estimators_are_loaded_in_half_precision(tmp_path: Path, dtype: torch.dtype) -> None:
    for estimator in make_estimators():
        expected = estimator.fit(batches_for(estimator)).state_dict()
        estimator.save_pretrained(tmp_path)
        loaded = type(estimator).from_pretrained(tmp_path, torch_dtype=dtype).state_dict()
        assert torch.get_default_dtype() == torch.float32
        for name, value in expected.items():
            assert torch.equal(loaded[name], value.to(dtype))


def test_fitting_keeps_no_graph() -> None:
    for estimator in make_estimators():
        estimator.fit(
            tuple(part.requires_grad_(part.is_floating_point()) for part in batch)
            for batch in batches_for(estimator)
        )
        assert not any(buffer.requires_grad for buffer in estimator.buffers())


def _fit_in_process(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2
    )
    try:
        # The shares are of different size.
        for estimator in make_estimators():
            estimator.fit(batches_for(estimator, *((0, 2) if rank == 0 else (2, 6))))
            estimator.save_pretrained(folder / f"{type(estimator).__name__}{rank}")
        torch.distributed.barrier()  # torch 2.5 may hang if the last to end are tensors of Python
    finally:
        torch.distributed.destroy_process_group()


def test_processes_that_share_the_data_find_what_one_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    torch.multiprocessing.spawn(_fit_in_process, args=(tmp_path,), nprocs=2)
    for estimator in make_estimators():
        expected = estimator.fit(batches_for(estimator)).state_dict()
        for rank in range(2):
            fitted = type(estimator).from_pretrained(tmp_path / f"{type(estimator).__name__}{rank}")
            for name, value in fitted.state_dict().items():
                torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-6)
