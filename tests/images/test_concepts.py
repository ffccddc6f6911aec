from __future__ import annotations

import pytest

from priordiff.images import concept_of


@pytest.mark.parametrize(
    "names",
    [
        ["judge", "man judge", "woman judge"],
        ["person walking", "woman walking: facing right", "man walking"],
        ["man", "woman", "person", "girl", "child"],
        ["men holding hands", "woman and man holding hands"],
        ["family: man, woman, boy", "family: adult, child, child", "family"],
        ["mermaid", "merman", "merperson"],
        ["woman’s hat", "man’s hat"],
        ["left arrow", "up-left arrow", "down arrow"],
        ["red heart", "light blue heart", "black heart"],
        ["black medium-small square", "white large square"],
        ["one o’clock", "twelve-thirty"],
    ],
)
def test_variants_show_one_idea(names: list[str]) -> None:
    assert len({concept_of(name) for name in names}) == 1


def test_other_ideas_are_told_apart() -> None:
    names = ["judge", "pilot", "red apple", "red heart", "left arrow", "man", "flag: Italy", "flag: Ireland"]
    names += ["purple", "women’s room", "keycap: 1", "keycap: 2", "mantelpiece clock", "grinning cat"]
    assert len({concept_of(name) for name in names}) == len(names)
