from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("praatio")

from priordiff.audio.alignment import Alignment
from priordiff.audio.textgrid import read_textgrid, write_textgrid

# As the Montreal Forced Aligner writes it.
MFA = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.25
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1.25
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.4
            text = ""
        intervals [2]:
            xmin = 0.4
            xmax = 0.9
            text = "hi"
        intervals [3]:
            xmin = 0.9
            xmax = 1.25
            text = ""
    item [2]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1.25
        intervals: size = 5
        intervals [1]:
            xmin = 0
            xmax = 0.4
            text = ""
        intervals [2]:
            xmin = 0.4
            xmax = 0.55
            text = "HH"
        intervals [3]:
            xmin = 0.55
            xmax = 0.9
            text = "AY1"
        intervals [4]:
            xmin = 0.9
            xmax = 1.0
            text = "sp"
        intervals [5]:
            xmin = 1.0
            xmax = 1.25
            text = "sil"
"""


def test_a_grid_of_a_forced_aligner_is_read_with_its_silences_as_pauses(tmp_path: Path) -> None:
    file = tmp_path / "hi.TextGrid"
    file.write_text(MFA, encoding="utf-8")
    assert read_textgrid(file) == Alignment(("_", "HH", "AY1", "_"), (0.0, 0.4, 0.55, 0.9), 1.25)
    assert read_textgrid(file, tier="words").symbols == ("_", "hi", "_")


@pytest.mark.parametrize("first", ["_", "ˈʊ"])
def test_what_is_written_is_read_again(first: str, tmp_path: Path) -> None:
    alignment = Alignment((first, "ˈaɪ", 'a "quoted" one', "_", "ʃ"), (0.0, 0.25, 0.5, 0.625, 0.75), 1.0)
    file = tmp_path / "a.TextGrid"
    write_textgrid(file, alignment, words=[("eye", 0.25, 0.5)])
    assert read_textgrid(file) == alignment
    assert read_textgrid(file, tier="words").symbols == ("_", "eye", "_")


def test_a_phoneme_without_duration_has_no_interval(tmp_path: Path) -> None:
    file = tmp_path / "a.TextGrid"
    write_textgrid(file, Alignment(("a", "b", "c"), (0.0, 0.5, 0.5), 1.0))
    assert read_textgrid(file) == Alignment(("a", "c"), (0.0, 0.5), 1.0)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.TextGrid"
    with pytest.raises(FileNotFoundError, match=r"a\.TextGrid"):
        read_textgrid(file)
    for content in ("", "no grid", MFA[:400]):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=r"a\.TextGrid") as error:
            read_textgrid(file)
        assert "\n" not in str(error.value)
    file.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ValueError, match=r"a\.TextGrid"):
        read_textgrid(file)
    file.write_text(MFA, encoding="utf-8")
    with pytest.raises(ValueError, match=r"has the tiers 'words', 'phones', expected one .* 'ipa'"):
        read_textgrid(file, tier="ipa")


def test_a_tier_of_points_is_refused(tmp_path: Path) -> None:
    textgrid = pytest.importorskip("praatio.textgrid")
    grid = textgrid.Textgrid(0, 1.0)
    grid.addTier(textgrid.PointTier("phones", [(0.25, "a"), (0.5, "b")], 0, 1.0))
    grid.save(str(tmp_path / "a.TextGrid"), "long_textgrid", includeBlankSpaces=True)
    with pytest.raises(ValueError, match="has points in its tier 'phones', expected intervals"):
        read_textgrid(tmp_path / "a.TextGrid")
