from __future__ import annotations

import pytest
from scipy.stats import linregress
from torch import Generator, linspace, randn

from benchmarks.fitting import fit_power_law


def test_the_exponent_of_a_power_law_is_found() -> None:
    law = fit_power_law([1, 3, 9, 20], [5 * size**1.5 for size in (1, 3, 9, 20)])
    assert law.exponent == pytest.approx(1.5)
    assert law.error == pytest.approx(0, abs=1e-9)


def test_the_standard_error_is_that_of_a_regression() -> None:
    x = linspace(1, 5, 9).double()
    y = 2 * x + randn(9, generator=Generator().manual_seed(0)).double()
    expected = linregress(x, y)
    law = fit_power_law(x.exp().tolist(), y.exp().tolist())
    assert law.exponent == pytest.approx(expected.slope)
    assert law.error == pytest.approx(expected.stderr)


def test_two_points_have_a_slope_without_error() -> None:
    law = fit_power_law([1, 2], [8, 2])
    assert law.exponent == pytest.approx(-2)
    assert law.error is None


@pytest.mark.parametrize(("sizes", "costs"), [([1], [1]), ([2, 2], [1, 3]), ([1, 2], [1]), ([1, 2], [0, 1])])
def test_what_has_no_slope_is_an_error(sizes: list[float], costs: list[float]) -> None:
    with pytest.raises(ValueError, match="sizes="):
        fit_power_law(sizes, costs)
