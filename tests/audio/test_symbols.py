from __future__ import annotations

import pytest

from priordiff.audio import SymbolTable


def test_indices_begin_with_1_and_follow_the_order() -> None:
    table = SymbolTable(["b", "_", "a"])
    assert table.encode(["a", "_", "b", "b"]).tolist() == [3, 2, 1, 1]
    assert len(table) == 3
    assert "a" in table
    assert "c" not in table
    assert table.encode([]).shape == (0,)


def test_the_table_of_a_corpus_does_not_depend_on_its_order() -> None:
    first, second = SymbolTable.of([["b", "a"], ["c"]]), SymbolTable.of([["c", "a"], ["b", "b"]])
    assert first.symbols == second.symbols == ("a", "b", "c")


def test_unknown_phonemes_are_all_named() -> None:
    with pytest.raises(ValueError, match=r"unknown phonemes x yː, expected some of a b"):
        SymbolTable(["a", "b"]).encode(["a", "x", "yː", "x"])
    with pytest.raises(ValueError, match="symbols is empty"):
        SymbolTable([])
    with pytest.raises(ValueError, match="'a' comes twice"):
        SymbolTable(["a", "b", "a"])
