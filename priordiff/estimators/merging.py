"""Merging what several processes have seen."""

from __future__ import annotations

from typing import Any, TypeVar

from torch import distributed

from priordiff.estimators.statistics import Statistic

__all__ = ["merge_over_processes"]

AnyStatistic = TypeVar("AnyStatistic", bound=Statistic)


def merge_over_processes(statistics: AnyStatistic) -> AnyStatistic:
    """The statistic of the data of all processes, in each of them; without a group of processes its own.

    They are merged in pairs, then pairs of pairs, and the last one is sent to all: a process never holds more
    than two, however many processes there are.

    Args:
        statistics: of this process's share; it is merged into.

    Example:
        >>> from priordiff.estimators.statistics import Moments
        >>> merge_over_processes(Moments()).num_groups
        1
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return statistics
    rank, size = distributed.get_rank(), distributed.get_world_size()
    # One slot: what arrives in it replaces what was there.
    slot: list[Any] = [None]
    distance = 1
    while distance < size and rank % distance == 0:
        if rank % (2 * distance):
            distributed.send_object_list([statistics], dst=rank - distance)
        elif rank + distance < size:
            distributed.recv_object_list(slot, src=rank + distance)
            statistics.merge(slot.pop())
            slot.append(None)
        distance *= 2
    if rank:
        del statistics  # before that of all arrives
    else:
        slot = [statistics]
    distributed.broadcast_object_list(slot, src=0)
    return slot[0]
