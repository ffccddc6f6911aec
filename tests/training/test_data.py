import os

import pytest
import torch

from priordiff.training import Draw
from priordiff.training.data import BatchOrder, make_loader, seed_for
from tests.training.toy import Points, ToyTask


def test_each_epoch_is_a_new_permutation():
    order = BatchOrder(dataset_size=7, batch_size=1, seed=0)
    epochs = [[order.batch(7 * epoch + step)[0].index for step in range(7)] for epoch in range(4)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    other = BatchOrder(dataset_size=7, batch_size=1, seed=1)
    assert [other.batch(step)[0].index for step in range(7)] != epochs[0]


def test_a_batch_larger_than_the_dataset_goes_through_it_more_than_once():
    draws = BatchOrder(dataset_size=3, batch_size=6, seed=0).batch(0)
    assert sorted(draw.index for draw in draws) == [0, 0, 1, 1, 2, 2]
    assert [draw.number for draw in draws] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("accumulation", "processes"), [(1, 4), (2, 2), (4, 1)])
def test_a_step_sees_the_same_draws_however_its_batch_is_split(accumulation, processes):
    whole = BatchOrder(dataset_size=10, batch_size=8, seed=5)
    parts = [BatchOrder(10, 2, 5, accumulation, processes, process) for process in range(processes)]
    for step in range(5):
        split = [draw for micro in range(accumulation) for part in parts for draw in part.batch(step, micro)]
        assert split == whole.batch(step)
    assert parts[0].global_batch_size == whole.global_batch_size == 8


def test_randomness_belongs_to_seed_purpose_and_draw():
    def numbers(draw: Draw, purpose: str) -> list[float]:
        return torch.rand(3, generator=draw.generator(purpose)).tolist()

    assert numbers(Draw(1, 5, 0), "crop") == numbers(Draw(2, 5, 0), "crop")
    different = [
        (Draw(1, 5, 0), "crop"),
        (Draw(1, 5, 0), "noise"),
        (Draw(1, 6, 0), "crop"),
        (Draw(1, 5, 1), "crop"),
    ]
    assert len({tuple(numbers(*each)) for each in different}) == 4


def test_workers_and_resumption_give_the_same_batches():
    def batches(start: int, workers: int) -> list[torch.Tensor]:
        order = BatchOrder(dataset_size=11, batch_size=4, seed=0, gradient_accumulation_steps=2)
        return [batch["x"] for batch in make_loader(Points(), ToyTask().collate, order, start, 6, workers)]

    alone = batches(0, workers=0)
    assert len(alone) == 12
    assert torch.equal(torch.stack(alone), torch.stack(batches(0, workers=2)))
    assert torch.equal(torch.stack(alone[8:]), torch.stack(batches(4, workers=1)))


def test_an_empty_training_set_is_refused():
    with pytest.raises(ValueError, match="the training set has 0 items"):
        BatchOrder(dataset_size=0, batch_size=1, seed=0)


def test_a_name_whose_bytes_are_no_utf_8_has_a_seed_of_its_own():
    names = [os.fsdecode(name) for name in (b"caf\xe9.png", b"caf\xe8.png", "café.png".encode())]
    assert len({seed_for(0, f"hole of {name}", 0) for name in names}) == 3
    assert seed_for(0, "hole of café.png", 0) == 2050756406, "as ever"
