from __future__ import annotations

import pytest

from priordiff.audio.pauses import BLANK, joined_pause, named_pauses


@pytest.mark.parametrize(
    ("spoken", "written", "expected"),
    [
        ("_ a _ b _", "a , b .", "_ a , b ."),
        ("a b _", "a ; b ?", "a b ?"),
        ("_ a _ b _", "a | b", "_ a _ b _"),
        ("_ a _ c d _", "a , b c d !", "_ a , c d !"),
        ("_ x _ y _", "a , b .", "_ x _ y _"),
        ("_", "a", "_"),
    ],
)
def test_pauses_bear_the_marks_that_are_written_there(spoken: str, written: str, expected: str) -> None:
    tokens = [token.replace("|", BLANK) for token in written.split()]
    assert named_pauses(spoken.split(), tokens) == expected.split()


@pytest.mark.parametrize(
    ("first", "second", "name"), [("_", " ", " "), (" ", ",", ","), (".", "_", "."), (",", "!", ",")]
)
def test_a_mark_names_the_pauses_beside_it(first: str, second: str, name: str) -> None:
    assert joined_pause(first, second) == name
