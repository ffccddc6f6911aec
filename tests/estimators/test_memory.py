"""Fitting to a corpus that is larger than memory: what is kept does not grow with what was seen."""

from __future__ import annotations

import pickle
import queue
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from priordiff import estimators
from priordiff.estimators import (
    AxisCovarianceEstimator,
    ClassMomentsEstimator,
    FourierPowerEstimator,
    InpaintingEstimator,
    LocalRegressionEstimator,
    LowRankEstimator,
    MelEnergyEstimator,
    MelSpectrumEstimator,
    MomentsEstimator,
    PhonemeEstimator,
    PriorEstimator,
    ResidualEstimator,
    merging,
)
from priordiff.models import EncodedText, TextEncoder

SHAPE = (3, 8, 8)


def image(number: int) -> Tensor:
    return torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(number))


def with_hole(number: int) -> tuple[Tensor, Tensor]:
    hidden = torch.zeros(4, 1, 8, 8)
    hidden[..., :4] = 1
    return torch.cat([image(number) * (1 - hidden), hidden], dim=1), image(number)


def speech(number: int) -> tuple[Tensor, Tensor]:
    frames = image(number)[:, :, 0]
    return frames - 2, 0.1 * image(number).flatten(1)[:, None, :32]


def read_text(number: int) -> tuple[EncodedText, Tensor]:
    encoder = TextEncoder(num_symbols=4, channels=8, layers=1, filter_channels=16, predictor_channels=8)
    encoded = encoder.eval()(torch.tensor([[3, 1, 2]]), durations=torch.tensor([[2, 1, 3]]))
    return encoded, image(number)[:1, :2, :, :3].reshape(1, 8, 6)


CASES: dict[str, tuple[PriorEstimator, Any]] = {
    "axis covariance": (AxisCovarianceEstimator(size=3), image),
    "class moments": (
        ClassMomentsEstimator(3, SHAPE),
        lambda number: (torch.arange(4) % 3, image(number)),
    ),
    "fourier power": (FourierPowerEstimator(SHAPE), image),
    "inpainting": (InpaintingEstimator(SHAPE, rank=2), with_hole),
    "local regression": (
        LocalRegressionEstimator(3, 3),
        lambda number: (image(number), image(number + 1)),
    ),
    "low rank": (LowRankEstimator(SHAPE, rank=2), image),
    "mel energy": (MelEnergyEstimator(hop_length=4), speech),
    "mel spectrum": (MelSpectrumEstimator(n_mels=3, hop_length=4), speech),
    "moments": (MomentsEstimator(SHAPE), image),
    "phonemes": (PhonemeEstimator(num_symbols=4, n_mels=8), read_text),
}


def watched(make_batch: Any, count: int) -> Iterator[Any]:
    """Batches, of which none may be alive when the next but one is asked for."""
    earlier: list[weakref.ref[Tensor]] = []
    for number in range(count):
        batch = make_batch(number)
        *_, data = batch if isinstance(batch, tuple) else (batch,)
        assert not any(each() is not None for each in earlier[:-1]), "an earlier batch is kept"
        earlier.append(weakref.ref(data))
        del data
        yield batch


@pytest.mark.parametrize("name", CASES)
def test_what_is_kept_of_a_stream_does_not_grow(name: str) -> None:
    estimator, make_batch = CASES[name]
    statistics = estimator.new_statistics()
    sizes = []
    for number in range(6):
        batch = make_batch(number)
        estimator.observe(statistics, *(batch if isinstance(batch, tuple) else (batch,)))
        sizes.append(len(pickle.dumps((estimator, statistics))))
    assert max(sizes) - sizes[1] < 64  # bytes: the digits of a count
    estimator.fit(watched(make_batch, 5))


def test_every_estimator_that_can_be_fitted_is_among_them() -> None:
    classes = [getattr(estimators, name) for name in estimators.__all__ if name.endswith("Estimator")]
    fitted = {each for each in classes if each.new_statistics is not PriorEstimator.new_statistics}
    assert fitted == {type(estimator) for estimator, _ in CASES.values()}


def test_two_passes_keep_nothing_either() -> None:
    passes = []

    class Stream:
        def __iter__(self) -> Iterator[Any]:
            passes.append(1)
            return watched(lambda number: (torch.arange(4) % 2, image(number)), 5)

    ResidualEstimator(ClassMomentsEstimator(2, SHAPE), FourierPowerEstimator(SHAPE)).fit(Stream())
    assert len(passes) == 2


class Processes:
    """What `torch.distributed` is to processes, to threads; objects are pickled on their way."""

    def __init__(self, size: int) -> None:
        self.size, self.local = size, threading.local()
        self.mail = {(a, b): queue.Queue[bytes]() for a in range(size) for b in range(size)}
        self.alive: dict[int, weakref.WeakSet[Any]] = {rank: weakref.WeakSet() for rank in range(size)}
        self.most = dict.fromkeys(range(size), 0)

    def is_available(self) -> bool:
        return True

    is_initialized = is_available

    def get_rank(self) -> int:
        return self.local.rank

    def get_world_size(self) -> int:
        return self.size

    def send_object_list(self, objects: list[Any], dst: int) -> None:
        self.mail[self.get_rank(), dst].put(pickle.dumps(objects))

    def recv_object_list(self, objects: list[Any], src: int) -> None:
        objects[:] = pickle.loads(self.mail[src, self.get_rank()].get(timeout=60))

    def broadcast_object_list(self, objects: list[Any], src: int) -> None:
        if self.get_rank() == src:
            for rank in range(self.size):
                self.mail[src, rank].put(pickle.dumps(objects))
        self.recv_object_list(objects, src)

    def count(self, each: Any) -> None:
        rank = self.get_rank()
        self.alive[rank].add(each)
        self.most[rank] = max(self.most[rank], len(self.alive[rank]))


class Counted:
    """A sum, of which each process counts how many it holds."""

    processes: Processes

    def __init__(self, value: float) -> None:
        self.__setstate__({"value": value})

    def __setstate__(self, state: dict[str, float]) -> None:
        self.value = state["value"]
        Counted.processes.count(self)

    def merge(self, other: Counted) -> None:
        self.value += other.value


@pytest.mark.parametrize("size", [1, 2, 3, 6, 8])
def test_processes_never_hold_more_than_two_statistics(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    processes = Counted.processes = Processes(size)
    monkeypatch.setattr(merging, "distributed", processes)

    def merged(rank: int) -> float:
        processes.local.rank = rank
        return merging.merge_over_processes(Counted(10.0**rank)).value

    with ThreadPoolExecutor(size) as threads:
        assert [*threads.map(merged, range(size))] == [float("1" * size)] * size
    assert max(processes.most.values()) <= 2
