from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from priordiff.corpora import Shards
from priordiff.training import Draw, ShardOrder, Trainer
from priordiff.training.data import BatchOrder, make_loader
from tests.corpora.shard_folders import write_numbers
from tests.training.toy import Points, ToyTask, assert_same, final_state, toy_training

SIZES = [3, 1, 4, 1, 5, 9, 2, 6]


class ShardedPoints(Points):
    """Points that are read from shards, and a list of those that were."""

    def __init__(self, folder: Path) -> None:
        self.shards = Shards(folder)
        self.shard_sizes = self.shards.sizes
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, draw: Draw):
        number = int(self.shards.read(draw.index)["txt"])
        self.read.append(number)
        return super().__getitem__(Draw(number, draw.number, draw.seed))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_numbers(tmp_path / "shards", 11, 2)


def test_an_epoch_has_every_sample_once_and_a_new_order():
    order = ShardOrder(SIZES, seed=0, window=3)
    epochs = [[order.index(epoch, position) for position in range(31)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(31)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    other = ShardOrder(SIZES, seed=1, window=3)
    assert [other.index(0, position) for position in range(31)] != epochs[0]


def test_an_order_is_this_very_one():
    order = ShardOrder([3, 2, 4], seed=0, window=2)
    assert [order.index(0, position) for position in range(9)] == [5, 4, 6, 7, 8, 3, 0, 2, 1]


def test_no_more_than_a_window_of_shards_is_read_at_a_time():
    order, shard_of = ShardOrder(SIZES, seed=2, window=3), [s for s, n in enumerate(SIZES) for _ in range(n)]
    shards = [shard_of[order.index(0, position)] for position in range(31)]
    first_seen = list(dict.fromkeys(shards))
    for window in (first_seen[:3], first_seen[3:6], first_seen[6:]):
        places = [position for position, shard in enumerate(shards) if shard in window]
        assert places == list(range(places[0], places[-1] + 1))
        assert [shards[place] for place in places] != sorted(shards[place] for place in places)  # mixed


def test_a_position_is_found_without_those_before_it():
    whole = ShardOrder(SIZES, seed=4, window=2)
    expected = [whole.index(5, position) for position in range(31)]
    assert [ShardOrder(SIZES, seed=4, window=2).index(5, position) for position in range(31)] == expected


@pytest.mark.parametrize("accumulation", [1, 2])
def test_processes_see_disjoint_sets_that_are_the_whole(accumulation):
    orders = [BatchOrder(31, 1, 0, accumulation, 2, process, SIZES) for process in (0, 1)]
    per_step = 2 * accumulation
    draws = [
        draw
        for step in range(62 // per_step + 1)
        for micro in range(accumulation)
        for order in orders
        for draw in order.batch(step, micro)
    ]
    assert [draw.number for draw in draws] == list(range(len(draws)))
    for epoch in (draws[:31], draws[31:62]):
        assert sorted(draw.index for draw in epoch) == list(range(31))


def test_workers_and_resumption_give_the_same_samples(folder):
    def batches(start: int, workers: int) -> list[list[int]]:
        points = ShardedPoints(folder)
        order = BatchOrder(11, 4, 0, shard_sizes=points.shard_sizes)
        loader = make_loader(points, ToyTask().collate, order, start, 6, workers)
        return [batch["index"].tolist() for batch in loader]

    alone = batches(0, workers=0)
    assert batches(0, workers=2) == alone
    assert batches(4, workers=1) == alone[4:]
    assert sorted([*itertools.chain(*alone)][:11]) == list(range(11))


def test_a_run_stopped_within_an_epoch_ends_with_the_bits_of_an_unbroken_one(folder, tmp_path):
    def train(name: str, num_steps: int, resume: bool = False) -> list[int]:
        task, config = ToyTask(), toy_training()
        config.num_steps, config.lr_scheduler, config.lr_warmup_steps = num_steps, "constant", 0
        task.dataset = ShardedPoints(folder)
        Trainer(task, config, tmp_path / name).fit(resume)
        return task.dataset.read

    unbroken = train("unbroken", 7)
    assert train("stopped", 4) + train("stopped", 7, resume=True) == unbroken
    assert_same(final_state(tmp_path / "stopped"), final_state(tmp_path / "unbroken"))


def test_shards_that_are_no_partition_are_refused():
    with pytest.raises(ValueError, match="the shards of the training set have 31 items, but it has 30"):
        BatchOrder(30, 1, 0, shard_sizes=SIZES)
