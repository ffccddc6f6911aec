from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.children import measured_in_child, peak_resident_bytes

_PEAK = "from benchmarks.children import peak_resident_bytes; "


def test_what_a_process_prints_last_is_read() -> None:
    assert measured_in_child(["-c", "print('a line'); print('[1, 2]')"]) == [1, 2]


def test_variables_reach_it() -> None:
    program = "import os; print(os.environ['BENCHMARKS_TEST'])"
    assert measured_in_child(["-c", program], {"BENCHMARKS_TEST": "3"}) == 3


def test_a_variable_can_be_kept_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARKS_TEST", "3")
    program = "import os; print(int('BENCHMARKS_TEST' in os.environ))"
    assert measured_in_child(["-c", program]) == 1
    assert measured_in_child(["-c", program], {"BENCHMARKS_TEST": None}) == 0


def test_what_it_fails_with_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)-c.*no such thing"):
        measured_in_child(["-c", "raise SystemExit('no such thing')"])


def test_memory_is_a_process_own_and_the_peak_of_it() -> None:
    mebibytes = 2**20
    small, large = (
        measured_in_child(["-c", f"{_PEAK}x = b'1' * {size}; del x; print(peak_resident_bytes())"])
        for size in (1, 200 * mebibytes)
    )
    assert 190 * mebibytes < large - small < 220 * mebibytes


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason=f"{sys.platform} has no VmHWM")
def test_memory_is_not_that_of_the_process_that_started_it() -> None:
    assert measured_in_child(["-c", f"{_PEAK}print(peak_resident_bytes())"]) < peak_resident_bytes() / 2
