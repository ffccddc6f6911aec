from __future__ import annotations

import re
from xml.etree import ElementTree

from benchmarks.plots import Plot


def test_a_plot_is_an_svg_with_all_names_and_equal_ratios_apart() -> None:
    plot = Plot(
        "Costs <of> all", "D", "seconds", {"a & b": [(1, 1.0), (10, 10.0), (100, 100.0)], "c": [(1, 2.0)]}
    )
    root = ElementTree.fromstring(plot.svg)
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Costs <of> all", "D", "seconds", "a & b", "c"} <= texts
    path = next(e.get("d") for e in root.iter("{http://www.w3.org/2000/svg}path") if e.get("fill") == "none")
    assert path is not None
    (x0, y0), (x1, y1), (x2, y2) = [tuple(map(float, p.split())) for p in re.split("[ML]", path)[1:]]
    assert abs((x1 - x0) - (x2 - x1)) < 0.1
    assert abs((y1 - y0) - (y2 - y1)) < 0.1
    assert x1 > x0
    assert y1 < y0
