from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from priordiff.commands.texts import Text, given_texts


def test_a_text_is_given_in_words_in_files_or_on_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "one.txt", tmp_path / "two.v2.md"]
    for file in files:
        file.write_bytes(b"\xef\xbb\xbfCaf\xc3\xa9.\r\n")  # as Windows writes it
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Caf\xc3\xa9."), encoding="ascii"))
    assert given_texts([], files) == [Text("one", "Café.\r\n"), Text("two.v2", "Café.\r\n")]
    assert given_texts(["-"], None) == [Text(None, "Café.")]
    assert given_texts(["one", "two"], None) == [Text(None, "one two")]


@pytest.mark.parametrize(
    ("words", "content", "message"),
    [
        ([], None, "nothing to say: give a text, --file FILE, or - to read"),
        (["hello"], b"hello", "only one of the two"),
        (["", " "], None, "the text is empty"),
        (["-"], None, "the standard input is empty"),
        ([], b" \n", r"text\.txt is empty"),
        ([], b"ab\xff", r"text\.txt is no UTF-8 text, by its byte 2: save it as UTF-8"),
        ([], "hi".encode("utf-16-le"), r"text\.txt holds zero bytes, as UTF-16 has"),
    ],
)
def test_what_is_no_text_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], content: bytes | None, message: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n"), encoding="utf-8"))
    if content is not None:
        (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        given_texts(words, None if content is None else [tmp_path / "text.txt"])


def test_a_closed_standard_input_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ValueError, match="the standard input is empty"):
        given_texts(["-"], None)
