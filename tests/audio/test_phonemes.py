from __future__ import annotations

import pytest

pytest.importorskip("espeakng_loader")

from priordiff.audio import speak
from priordiff.audio.pauses import BLANK, MARKS, PAUSE
from priordiff.audio.phonemes import phonemes_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, you two!", "h ə l ˈoʊ , j uː _ t ˈuː !"),
        ("...well: yes?!", "w ˈɛ l : j ˈɛ s ?"),
        ("four — two", "f ˈɔːɹ _ t ˈuː"),
        ("an hour", "ɐ n _ ˈaʊ ɚ"),
    ],
)
def test_words_become_phonemes_with_the_marks_between_them(text: str, expected: str) -> None:
    assert " ".join(symbol.replace(BLANK, "_") for symbol in phonemes_of(text)) == expected


@pytest.mark.parametrize("text", ["", " ", "...", "!?", "\u200b"])
def test_a_text_without_a_sound_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="finds nothing to speak"):
        phonemes_of(text)


@pytest.mark.parametrize(("voice", "expected"), [("en-us", "æ"), ("en", "a"), ("de", "ɑː")])
def test_the_accent_and_the_language_are_the_voice_s(voice: str, expected: str) -> None:
    assert any(symbol.endswith(expected) for symbol in phonemes_of("bad", voice))


def test_an_unknown_voice_is_an_error() -> None:
    with pytest.raises(ValueError, match="no voice 'klingon-x'"):
        phonemes_of("hello", "klingon-x")


@pytest.mark.parametrize(
    "text",
    [
        "The birch canoe slid on the smooth planks.",
        "Wonderful fire, hour by hour; and so it ended?",
    ],
)
def test_what_espeak_speaks_is_what_it_was_said_to_speak(text: str) -> None:
    told = [symbol for symbol in phonemes_of(text) if symbol != BLANK and symbol not in MARKS]
    assert [symbol for symbol, _ in speak(text).phonemes if symbol != PAUSE] == told


def test_words_of_another_language_leave_no_marks_of_the_switch() -> None:
    assert all("(" not in symbol for symbol in phonemes_of("The Straße in 東京, naïvely", "de"))
