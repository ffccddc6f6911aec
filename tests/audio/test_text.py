from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("kitten_text_processing")

from priordiff.audio.text import in_words, sentences_of


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("I paid $12.50.", "I paid twelve dollars fifty cents."),
        ("the 21st of May, 1999", "the twenty first of may, nineteen ninety nine"),
        ("at 10:30 a.m.", "at ten thirty AM"),
        ("5kg, 50% off", "five kilograms, fifty percent off"),
        ("“It’s”—she said—‘fine’…", "\"It's\", she said, 'fine'."),
        ("2 m² at 20°C", "two square meters at twenty degrees Celsius"),
        ("a well-known fact - really", "a well-known fact, really"),
        ("a - - - - b", "a, b"),
        ("don´t, don`t", "don't, don't"),
        ("one😀two", "one two"),
        ("Ｈｅｌｌｏ, 𝐲𝐨𝐮 Ⓐ", "Hello, you A"),
        ("٣ + １२ + ५", "three plus twelve plus five"),
        ("Chapter one . . . . . . . . 9", "Chapter one . nine"),
        ("Wait" + "." * 300, "Wait."),
        ("_" * 80 + " yes " + "=" * 80, "underscore yes equal sign"),
    ],
)
def test_what_is_written_becomes_what_is_said(written: str, spoken: str) -> None:
    assert in_words(written) == spoken


@pytest.mark.parametrize(
    "sentence",
    [
        "It's a well-known fact, isn't it?",
        '"Why?" she asked; nobody (not even I) knew.',
        "One half of them came in May, the others at ten o'clock.",
        "A first step: she paid two hundred and five dollars.",
    ],
)
def test_what_is_in_words_stays_as_it_is_with_and_without_the_grammars(
    sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("priordiff.audio.text._is_in_words", lambda sentence: False)
    by_grammar = in_words(sentence)
    monkeypatch.undo()
    assert in_words(sentence) == by_grammar == sentence


@pytest.mark.parametrize(
    "sentence", ["He is No. 1", "Dr. Fox", "She lives in Elm St.", "NASA", "at 5", "a+b"]
)
def test_what_may_be_read_otherwise_goes_to_the_grammars(
    sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kitten_text_processing

    monkeypatch.setattr(kitten_text_processing, "normalize_text", lambda sentence, locale: "read")
    assert in_words(sentence) == "read"


@pytest.mark.parametrize("silent", ["😀", "👍🏽", "👩‍👩‍👧", "☃️", "\u200b", "\x00", "\ue000"])
def test_what_has_no_sound_is_left_out(silent: str) -> None:
    assert in_words(f"one {silent} day") == "one day"
    assert in_words(silent) == ""


def test_other_languages_have_their_own_words_or_none() -> None:
    assert in_words("Tengo 2 gatos.", "es-ES") == "Tengo dos gatos."
    assert in_words("Mám 2 kočky 😀.", "cs") == "Mám 2 kočky ."


def test_combined_and_decomposed_letters_are_the_same() -> None:
    assert in_words("cafe\u0301") == in_words("café") == "café"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n ", []),
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Mr. Fox met Dr. A. B. Jones at 5 p.m. on Monday.", None),
        ('"Why?" she asked. "No," he said.', ['"Why?" she asked.', '"No," he said.']),
        ("It costs 3.50 today.", None),
        ("The U.S. Army, e.g. J. R. R. Smith, left at 9.", None),
        ("\ud800One.\udfff Two.", ["One.", "Two."]),
        ("a line\nof a paragraph\n\nAnother one", ["a line of a paragraph", "Another one"]),
    ],
)
def test_texts_are_split_into_sentences(text: str, expected: list[str] | None) -> None:
    assert sentences_of(text) == ([text] if expected is None else expected)


def test_long_sentences_are_split_where_one_can_breathe() -> None:
    assert sentences_of("one two, three four five", longest=14) == ["one two,", "three four", "five"]
    assert sentences_of("abcdefgh", longest=3) == ["abc", "def", "gh"]
    with pytest.raises(ValueError, match="longest=0"):
        sentences_of("a", longest=0)


@given(text=st.text(max_size=200), longest=st.integers(1, 50))
@settings(deadline=None)
def test_no_character_is_lost_nor_any_piece_too_long(text: str, longest: int) -> None:
    pieces = sentences_of(text, longest)
    assert all(0 < len(piece) <= longest for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@given(text=st.text(max_size=100))
@settings(deadline=None, max_examples=50)
def test_any_text_is_normalised(text: str) -> None:
    assert "\n" not in in_words(text)


def test_abbreviations_are_those_of_the_language() -> None:
    text = "Er kam z.B. mit Dr. Müller. Dann ging er."
    assert sentences_of(text, language="de") == ["Er kam z.B. mit Dr. Müller.", "Dann ging er."]


@pytest.mark.parametrize("voice", ["en-us", "en+f3", "en-us+m3", "EN"])
def test_a_voice_of_espeak_names_its_language(voice: str) -> None:
    assert in_words("Dr. Fox has 5 dogs.", voice) == in_words("Dr. Fox has 5 dogs.") != "Dr. Fox has 5 dogs."
