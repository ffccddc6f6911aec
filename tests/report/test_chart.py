import math

import pytest

from priordiff.report.chart import Axis, draw, merge_runs


def chart(series, log_x=False, log_y=False):
    return draw(merge_runs(series, log_x, log_y), 700, 300, log_x, log_y)


def test_runs_are_merged_to_their_mean_and_range():
    (curve,) = merge_runs({"a": [[(0, 1.0), (1, 2.0)], [(0, 3.0), (1, 6.0)]]}, False, False)
    assert curve.points == [(0, 2.0, 1.0, 3.0), (1, 4.0, 2.0, 6.0)]
    assert curve.runs == 2


def test_values_that_cannot_be_drawn_are_left_out():
    runs = [[(0, 1.0), (1, math.nan), (2, math.inf), (3, -1.0), (4, 2.0)]]
    assert [p[0] for p in merge_runs({"a": runs}, False, False)[0].points] == [0, 3, 4]
    assert [p[0] for p in merge_runs({"a": runs}, True, True)[0].points] == [4]


@pytest.mark.parametrize("series", [{}, {"a": []}, {"a": [[(1, math.nan)]]}])
def test_a_chart_of_nothing_is_an_error(series):
    with pytest.raises(ValueError, match="no finite point"):
        merge_runs(series, False, False)


def test_equal_ratios_take_equal_space_on_a_logarithmic_axis():
    axis = Axis(1, 100, True, 0, 200)
    assert [axis(value) for value in (1, 10, 100)] == [0, 100, 200]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0.5, 0.52), (0.7, 3.1), (10, 30000), (1e-5, 2e-3), (9999, 10001)])
def test_every_axis_has_some_ticks_within_it(low, high, log):
    ticks = Axis(low, high, log, 0, 500).ticks(5)
    assert 2 <= len(ticks) <= 12
    assert all(-0.1 <= at <= 500.1 for at, _ in ticks)
    assert len({label for _, label in ticks}) == len(ticks)


def test_lower_values_are_drawn_lower_and_inside_the_frame():
    drawing = chart({"a": [[(1, 1.0), (2, 5.0)]], "b": [[(1, 3.0), (2, 2.0)]]})
    (first, second) = drawing.lines[0].marks
    assert first[0] < second[0]
    assert first[1] > second[1]
    marks = [mark for line in drawing.lines for mark in line.marks]
    assert all(0 <= x <= 700 and 0 <= y <= 300 for x, y in marks)


def test_only_several_runs_have_a_band():
    drawing = chart({"one": [[(1, 1.0), (2, 2.0)]], "two": [[(1, 1.0), (2, 2.0)], [(1, 2.0), (2, 3.0)]]})
    assert [bool(line.band) for line in drawing.lines] == [False, True]


@pytest.mark.parametrize("log", [False, True])
def test_a_single_point_and_a_flat_curve_can_be_drawn(log):
    assert chart({"a": [[(5, 2.0)]]}, log, log).lines[0].marks
    assert chart({"a": [[(1, 2.0), (2, 2.0)]]}, log, log).lines[0].marks


def test_long_curves_are_drawn_without_marks():
    assert chart({"a": [[(step, step) for step in range(1, 100)]]}).lines[0].marks == []
