import math

import pytest

from priordiff.report import Column
from priordiff.report.table import lay_out

ERROR = Column("MAE", "nats", "lower", digits=2)
SCORE = Column("PESQ", better="higher", digits=1)


def cells(rows, baseline=None, models=(), columns=(ERROR,)):
    return lay_out(columns, rows, baseline, models)


def test_several_runs_become_mean_and_sample_standard_deviation():
    (cell,) = cells({"a": [[1.0, 2.0, 3.0]]})["a"]
    assert (cell.value, cell.spread) == ("2.00", "1.00")
    assert cell.note == "3 runs: 1.00, 2.00, 3.00"


def test_a_missing_run_is_left_out_and_a_missing_cell_is_a_dash():
    table = cells({"a": [[1.0, None, 3.0]], "b": [None], "c": [[None, None]]})
    assert table["a"][0].value == "2.00"
    assert table["a"][0].note.startswith("2 runs")
    assert [table[name][0].value for name in "bc"] == ["–", "–"]


def test_differences_are_given_to_the_baseline_with_their_verdict():
    table = cells({"a": [0.5, 3.0], "b": [2.0, 2.0]}, baseline="b", columns=(ERROR, SCORE))
    assert [cell.difference for cell in table["a"]] == ["−1.50 (−75 %)", "+1.0 (+50 %)"]
    assert [cell.verdict for cell in table["a"]] == ["better", "better"]
    assert [cell.difference for cell in table["b"]] == ["", ""]


def test_a_larger_error_is_worse():
    table = cells({"a": [3.0], "b": [2.0]}, baseline="b")
    assert table["a"][0].verdict == "worse"


def test_a_difference_that_rounds_to_zero_has_no_verdict():
    table = cells({"a": [2.001], "b": [2.0]}, baseline="b")
    assert table["a"][0].verdict == ""


@pytest.mark.parametrize(("column", "winner"), [(ERROR, "a"), (SCORE, "b")])
def test_the_best_value_depends_on_which_direction_is_better(column, winner):
    table = cells({"a": [1.0], "b": [2.0]}, columns=(column,))
    assert [name for name, row in table.items() if row[0].best] == [winner]


def test_a_row_that_is_no_model_neither_wins_nor_is_compared():
    table = cells({"recording": [0.0], "a": [1.0], "b": [2.0]}, baseline="b", models=("a", "b"))
    assert table["a"][0].best
    assert not table["recording"][0].best
    assert table["recording"][0].difference == ""


def test_numbers_that_are_not_finite_are_shown_and_never_win():
    table = cells({"a": [math.nan], "b": [math.inf], "c": [2.0], "d": [3.0]}, baseline="c")
    assert [table[name][0].value for name in "ab"] == ["NaN", "∞"]
    assert table["c"][0].best
    assert table["a"][0].difference == ""


def test_texts_are_kept_and_large_numbers_are_grouped():
    steps = Column("steps", digits=0)
    table = cells({"a": ["> 3,000"], "b": [12345]}, columns=(steps,))
    assert [table[name][0].value for name in "ab"] == ["> 3,000", "12,345"]


def test_a_row_of_the_wrong_length_is_an_error():
    with pytest.raises(ValueError, match="'a' has 2 values: expected 1"):
        cells({"a": [1.0, 2.0]})


def test_an_unknown_baseline_is_an_error():
    with pytest.raises(ValueError, match="'z' is not a row: expected one of 'a'"):
        cells({"a": [1.0]}, baseline="z")
