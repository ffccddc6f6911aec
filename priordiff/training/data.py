r"""Which sample is drawn when: a pure function of the seed and the step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader

from priordiff.training.options import TrainingConfig
from priordiff.training.seeds import seed_for
from priordiff.training.shard_order import ShardOrder

__all__ = ["BatchOrder", "Draw", "TrainingDataset", "make_loader", "make_order", "seed_for"]


@dataclass(frozen=True)
class Draw:
    """One sample as the training draws it.

    Args:
        index: Which item of the dataset it is.
        number: How many samples were drawn before it in the whole run, over all processes.
        seed: Seed of the run.

    Example:
        >>> draw = Draw(index=7, number=1000, seed=0)
        >>> crop = torch.randint(0, 100, (), generator=draw.generator("crop"))
    """

    index: int
    number: int
    seed: int

    def generator(self, purpose: str) -> torch.Generator:
        """Random numbers of this draw, the same for any number of workers and processes, resumed or not.

        Args:
            purpose: What they are for; different purposes get independent numbers.

        Returns:
            A generator on the CPU.
        """
        return torch.Generator().manual_seed(seed_for(self.seed, purpose, self.number))


class TrainingDataset(Protocol):
    """Items by [`Draw`][priordiff.training.Draw], whose generators choose crops and the like.

    A dataset that reads shards may have an attribute `shard_sizes`, the items of each shard, which are
    numbered shard by shard: the training then walks through few shards at a time.
    """

    def __len__(self) -> int:
        """Count the items."""

    def __getitem__(self, draw: Draw) -> Any:
        """Return the item ``draw.index``."""


class BatchOrder:
    r"""The draws of each micro-batch.

    The draws $d = 0, 1, 2, \dots$ of a run walk through a new permutation of the dataset in each epoch.
    Step $s$ of $A$ micro-batches on $P$ processes with $b$ samples each takes the draws from $s A P b$ on; in
    micro-batch $a$, process $p$ takes the $b$ draws from $s A P b + a P b + p b$ on. So a step sees the same
    samples however its batch is split.

    Args:
        dataset_size: Items in the dataset.
        batch_size: Samples per process and micro-batch, $b$.
        seed: Seed of the run.
        gradient_accumulation_steps: Micro-batches per step, $A$.
        num_processes: Training processes, $P$.
        process_index: Which of them this is, $p$.
        shard_sizes: Items of each shard of the dataset, which are then drawn in the order of
            [`ShardOrder`][priordiff.training.ShardOrder]; None for a permutation of all items.

    Raises:
        ValueError: If the dataset is empty, or the shards are no partition of it.

    Example:
        >>> order = BatchOrder(dataset_size=4, batch_size=2, seed=0)
        >>> sorted(draw.index for step in (0, 1) for draw in order.batch(step))
        [0, 1, 2, 3]
    """

    def __init__(
        self,
        dataset_size: int,
        batch_size: int,
        seed: int,
        gradient_accumulation_steps: int = 1,
        num_processes: int = 1,
        process_index: int = 0,
        shard_sizes: Sequence[int] | None = None,
    ) -> None:
        if dataset_size < 1:
            raise ValueError("the training set has 0 items: expected at least 1")
        if shard_sizes is not None and sum(shard_sizes) != dataset_size:
            raise ValueError(
                f"the shards of the training set have {sum(shard_sizes)} items, but it has {dataset_size}: "
                "expected the same"
            )
        self.dataset_size = dataset_size
        self.batch_size = batch_size
        self.seed = seed
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.num_processes = num_processes
        self.process_index = process_index
        self._shards = None if shard_sizes is None else ShardOrder(shard_sizes, seed)
        self._permutation = functools.lru_cache(maxsize=2)(self._shuffle)

    @property
    def global_batch_size(self) -> int:
        """Samples per step, over all micro-batches and processes."""
        return self.gradient_accumulation_steps * self.num_processes * self.batch_size

    def batch(self, step: int, micro_batch: int = 0) -> list[Draw]:
        """Draws of this process in one micro-batch.

        Args:
            step: Steps taken before.
            micro_batch: Micro-batches taken before in this step.

        Returns:
            One draw per sample.
        """
        first = step * self.global_batch_size
        first += (micro_batch * self.num_processes + self.process_index) * self.batch_size
        return [self._draw(number) for number in range(first, first + self.batch_size)]

    def _draw(self, number: int) -> Draw:
        epoch, position = divmod(number, self.dataset_size)
        if self._shards is not None:
            return Draw(self._shards.index(epoch, position), number, self.seed)
        return Draw(int(self._permutation(epoch)[position]), number, self.seed)

    def _shuffle(self, epoch: int) -> np.ndarray:
        return np.random.default_rng(seed_for(self.seed, "order", epoch)).permutation(self.dataset_size)


def make_order(
    dataset: TrainingDataset, config: TrainingConfig, num_processes: int, process_index: int
) -> BatchOrder:
    """The draws of one process of a run.

    Args:
        dataset: What is drawn from.
        config: Options of the loop.
        num_processes: Training processes.
        process_index: Which of them this is.
    """
    return BatchOrder(
        len(dataset),
        config.batch_size,
        config.seed,
        config.gradient_accumulation_steps,
        num_processes,
        process_index,
        getattr(dataset, "shard_sizes", None),
    )


class _MicroBatches:
    def __init__(self, order: BatchOrder, start: int, stop: int) -> None:
        self.order, self.start, self.stop = order, start, stop

    def __iter__(self) -> Iterator[list[Draw]]:
        for step in range(self.start, self.stop):
            for micro_batch in range(self.order.gradient_accumulation_steps):
                yield self.order.batch(step, micro_batch)


def make_loader(
    dataset: TrainingDataset,
    collate: Callable[[list[Any]], Any],
    order: BatchOrder,
    start: int,
    stop: int,
    num_workers: int = 0,
    pin_memory: bool = False,
    worker_init: Callable[[int], None] | None = None,
) -> DataLoader[Any]:
    """Micro-batches of the steps from ``start`` to ``stop``.

    Args:
        dataset: What is drawn from.
        collate: Makes a batch from a list of its items.
        order: The draws of each micro-batch.
        start: Steps taken before.
        stop: Steps taken in the end.
        num_workers: Processes that read data.
        pin_memory: Whether batches are put into pinned memory.
        worker_init: Called in each worker with its number.

    Returns:
        A loader that yields ``order.gradient_accumulation_steps`` batches for each step.
    """
    return DataLoader(
        dataset,  # type: ignore[arg-type]
        batch_sampler=_MicroBatches(order, start, stop),
        collate_fn=collate,
        num_workers=num_workers,
        pin_memory=pin_memory,
        worker_init_fn=worker_init,
    )
