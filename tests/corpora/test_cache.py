from __future__ import annotations

from pathlib import Path

import pytest

from priordiff.corpora import CorpusCache, cache_folder, decode_into, fingerprint, size_and_time


def fill(cache: CorpusCache, items: list[str]) -> list[str]:
    def decode(item: str) -> bytes:
        if item.startswith("bad"):
            raise ValueError(f"{item} is no\ngood")
        return item.encode()

    skipped = decode_into(cache, items, decode, "decoding", progress=False)
    cache.write_index({"items": items}, skipped)
    return skipped


def test_what_is_usable_stands_in_the_file_and_what_is_not_is_named(tmp_path: Path) -> None:
    cache = CorpusCache(tmp_path / "new" / "folder", "k" * 64, "text.u8")
    assert fill(cache, ["a", "bad", "c"]) == ["bad is no good"]
    assert cache.data_path.read_bytes() == b"ac"
    assert cache.skipped_path.read_text() == "bad is no good\n"
    assert cache.read() == {"items": ["a", "bad", "c"]}


def test_a_cache_of_another_key_is_not_read_and_removed_when_it_is_filled(tmp_path: Path) -> None:
    old, new = (CorpusCache(tmp_path, fingerprint(version), "text.u8") for version in (1, 2))
    fill(old, ["a"])
    assert new.read() is None
    fill(new, ["b"])
    assert not old.data_path.exists()
    assert old.read() is None


@pytest.mark.parametrize("damage", ["longer", "missing"])
def test_a_damaged_cache_is_not_read(tmp_path: Path, damage: str) -> None:
    cache = CorpusCache(tmp_path, fingerprint("it"), "text.u8")
    fill(cache, ["a"])
    cache.data_path.unlink()
    if damage == "longer":
        cache.data_path.write_bytes(b"ab")
    assert cache.read() is None


def test_nothing_usable_is_an_error_with_the_first_reason(tmp_path: Path) -> None:
    cache = CorpusCache(tmp_path, fingerprint("it"), "text.u8")
    with pytest.raises(ValueError, match=r"none of the 2 drawings in here .* bad 1 \(see .*skipped\.txt"):
        cache.report_skipped(0, ["bad 1", "bad 2"], "drawings", "here")


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    cache = CorpusCache(tmp_path, fingerprint("it"), "text.u8")
    with pytest.raises(ValueError, match="there are none of the train images in here: expected at least one"):
        cache.report_skipped(0, [], "train images", "here")


def test_skipped_items_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = CorpusCache(tmp_path, fingerprint("it"), "text.u8")
    cache.report_skipped(3, [], "drawings", "here")
    assert not caplog.records
    cache.report_skipped(3, ["bad"], "drawings", "here")
    assert "skipped 1 of 4 drawings in here" in caplog.text


def test_a_fingerprint_changes_with_every_part() -> None:
    assert fingerprint(1, {"a": 2}) == fingerprint(1, {"a": 2})
    assert len({fingerprint(1, {"a": 2}), fingerprint(2, {"a": 2}), fingerprint(1, {"a": 3})}) == 3


def test_a_changed_file_has_another_size_or_time(tmp_path: Path) -> None:
    assert size_and_time(tmp_path / "file") is None
    (tmp_path / "file").write_text("a")
    before = size_and_time(tmp_path / "file")
    (tmp_path / "file").write_text("ab")
    assert size_and_time(tmp_path / "file") != before


def test_folders_of_one_name_have_different_caches(tmp_path: Path) -> None:
    first, second = (cache_folder("data", tmp_path / parent / "birds") for parent in "ab")
    assert first != second
    assert first.name.startswith("birds-")
    assert first.parent == Path("data/cache")
    assert cache_folder("data", tmp_path / "a" / ".." / "a" / "birds") == first
