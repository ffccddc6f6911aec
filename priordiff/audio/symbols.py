"""Phonemes as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

__all__ = ["SymbolTable"]


class SymbolTable:
    """Phonemes and their indices, from 1 on: 0 is padding.

    Args:
        symbols: in the order of their indices.

    Raises:
        ValueError: if there are none, or one comes twice.

    Example:
        >>> table = SymbolTable.of([["h", "aɪ"], ["aɪ", "_"]])
        >>> table.symbols
        ('_', 'aɪ', 'h')
        >>> table.encode(["h", "aɪ"])
        tensor([3, 2])
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = tuple(symbols)
        if not self.symbols:
            raise ValueError("symbols is empty, expected at least one phoneme")
        if repeated := [symbol for symbol, count in Counter(self.symbols).items() if count > 1]:
            raise ValueError(f"the symbol {repeated[0]!r} comes twice, expected different ones")
        self._indices = {symbol: index for index, symbol in enumerate(self.symbols, start=1)}

    @classmethod
    def of(cls, utterances: Iterable[Iterable[str]]) -> SymbolTable:
        """The symbols that occur, sorted."""
        return cls(sorted({symbol for utterance in utterances for symbol in utterance}))

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._indices

    def encode(self, phonemes: Sequence[str]) -> Tensor:
        """Indices of phonemes, int64 (L,).

        Raises:
            ValueError: if one is not in the table; the message names all that are not.
        """
        if unknown := dict.fromkeys(symbol for symbol in phonemes if symbol not in self):
            raise ValueError(
                f"unknown phonemes {' '.join(unknown)}, expected some of {' '.join(self.symbols)}"
            )
        return torch.tensor([self._indices[symbol] for symbol in phonemes], dtype=torch.int64)
