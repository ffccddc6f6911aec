"""Operations that see a part of a signal alone, applied to a signal that comes in chunks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

__all__ = ["applied"]


def applied(
    operation: Callable[..., Tensor], chunks: Iterable[Tensor], margin: int, *others: Iterable[Tensor]
) -> Iterator[Tensor]:
    """Applies an operation that sees no farther than a margin, as if the chunks were one signal.

    Args:
        operation: of a window, the chunk's number, and windows of the other signals; what it makes is as long
            as the window, and right wherever the window holds a margin around, or the signal ends.
        chunks: (…, samples), in order.
        margin: in samples.
        *others: signals in chunks of the same lengths.

    Yields:
        What the operation makes of each chunk, as soon as a margin behind it is known.

    Example:
        >>> def differences(window, number):
        ...     return window.diff(append=window[-1:])
        >>> chunks = torch.tensor([0.0, 1.0, 4.0, 9.0, 16.0]).split(2)
        >>> torch.cat(list(applied(differences, chunks, 1)))
        tensor([1., 3., 5., 7., 0.])
    """
    signals = [_Windows(signal, margin) for signal in (chunks, *others)]
    number = 0
    while all(signal.fill() for signal in signals):
        windows = [signal.window() for signal in signals]
        before, length = signals[0].past.shape[-1], signals[0].ahead[0].shape[-1]
        yield operation(windows[0], number, *windows[1:])[..., before : before + length]
        for signal in signals:
            signal.advance()
        number += 1


class _Windows:
    """A signal's next chunks, and a margin of its past."""

    def __init__(self, chunks: Iterable[Tensor], margin: int) -> None:
        self._chunks, self._margin = iter(chunks), margin
        self.ahead: deque[Tensor] = deque()
        self.past: Tensor = torch.empty(0)

    def fill(self) -> bool:
        """Takes in what the next window needs; False if there is none."""
        while sum(chunk.shape[-1] for chunk in list(self.ahead)[1:]) < self._margin or not self.ahead:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self.ahead.append(chunk)
        if self.ahead and not self.past.numel():
            self.past = self.ahead[0][..., :0]
        return bool(self.ahead)

    def window(self) -> Tensor:
        """The next chunk with a margin on either side."""
        length = self.past.shape[-1] + self.ahead[0].shape[-1] + self._margin
        return torch.cat([self.past, *self.ahead], -1)[..., :length]

    def advance(self) -> None:
        """Lets the next chunk pass."""
        known = torch.cat([self.past, self.ahead.popleft()], -1)
        self.past = known[..., max(known.shape[-1] - self._margin, 0) :]
