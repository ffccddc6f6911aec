"""Work for the main process alone."""

from __future__ import annotations

from collections.abc import Callable

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

__all__ = ["on_main_process"]


def on_main_process(accelerator: Accelerator, action: Callable[[], object]) -> None:
    """Let the main process do something while the others wait; if it can't write, all of them stop.

    Args:
        accelerator: Knows the processes.
        action: What it does.

    Raises:
        OSError: In every process, if the action raised it.
    """
    failure: list[OSError | None] = [None]
    if accelerator.is_main_process:
        try:
            action()
        except OSError as error:
            failure = [error]
    broadcast_object_list(failure)
    if failure[0] is not None:
        raise failure[0]
