from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from priordiff.commands.threads import in_threads

CPU = torch.device("cpu")


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_two_items_are_worked_on_at_a_time_by_one_thread_each() -> None:
    both_are_there = threading.Barrier(2, timeout=60)

    def work(item: int) -> tuple[int, int]:
        both_are_there.wait()  # one after the other would never pass
        return item, torch.get_num_threads()

    assert list(in_threads(work, range(4), CPU)) == [(item, 1) for item in range(4)]
    assert torch.get_num_threads() == 2
    assert list(in_threads(lambda _: torch.get_num_threads(), [0], CPU)) == [2]


@pytest.mark.usefixtures("two_threads")
def test_after_an_error_no_item_is_begun() -> None:
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        time.sleep(0.01)  # so that not all are over before the first is looked at
        raise OSError(f"no space for {item}")

    with pytest.raises(OSError, match="no space for 0"):
        list(in_threads(work, range(1000), CPU))
    assert len(begun) < 1000
    assert torch.get_num_threads() == 2


def test_an_accelerator_takes_one_item_after_the_other() -> None:
    assert set(in_threads(lambda _: threading.current_thread(), range(3), torch.device("meta"))) == {
        threading.current_thread()
    }
