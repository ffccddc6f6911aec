from __future__ import annotations

from priordiff.search import quality_table


def test_the_lowest_value_of_each_column_is_bold_and_what_is_missing_a_dash() -> None:
    table = quality_table("sampler", {"a": {12: 0.5, 2: 1.0}, "b": {2: 1.5, 4: 0.7, 12: None}}, digits=1)
    assert table.splitlines() == [
        "| sampler | 2 | 4 | 12 |",
        "|---|---|---|---|",
        "| a | **1.0** | – | **0.5** |",
        "| b | 1.5 | **0.7** | – |",
    ]
