from __future__ import annotations

import os
from pathlib import Path

import pytest

from priordiff.commands.output import audio_destinations, printable


def test_a_file_is_the_one_that_is_named_even_if_it_is_there(tmp_path: Path) -> None:
    for name in ("new.ogg", "there.FLAC"):
        (tmp_path / "there.FLAC").touch()
        assert audio_destinations(["book"], str(tmp_path / name)) == [tmp_path / name]


@pytest.mark.parametrize("folder", ["there.wav", "new", "new.folder/"])
def test_a_folder_gets_a_file_for_each_text_and_nothing_in_it_is_replaced(
    tmp_path: Path, folder: str
) -> None:
    (tmp_path / "there.wav").mkdir()
    for name in ("speech.wav", "speech-2.wav", "one.wav"):
        (tmp_path / "there.wav" / name).touch()
    paths = audio_destinations(["one", "two", "two", None], f"{tmp_path}/{folder}")
    names = ["one-2.wav", "two.wav", "two-2.wav", "speech-3.wav"]
    if folder != "there.wav":
        names = ["one.wav", "two.wav", "two-2.wav", "speech.wav"]
    assert paths == [tmp_path / folder / name for name in names]
    assert not (tmp_path / "new").exists(), "made when something is written"


def test_without_an_output_it_is_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("speech.wav").touch()
    assert audio_destinations([None, "book"], "") == [Path("speech-2.wav"), Path("book.wav")]


def test_an_unknown_extension_and_several_texts_for_one_file_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"speech\.aac: the extension \.aac is unknown, expected one of .*\.wav"
    ):
        audio_destinations([None], "speech.aac")
    with pytest.raises(
        ValueError, match=r"2 texts don't go into one file: give a folder instead of all\.wav"
    ):
        audio_destinations(["one", "two"], "all.wav")


def test_names_that_are_no_utf8_can_be_printed() -> None:
    name = printable(Path(os.fsdecode(b"caf\xe9.wav")))
    assert name.encode() == b"caf\\udce9.wav"
