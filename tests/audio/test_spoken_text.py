from __future__ import annotations

import warnings

import pytest

pytest.importorskip("kitten_text_processing")
pytest.importorskip("espeakng_loader")

from priordiff.audio import SymbolTable, known_phonemes, spoken_sentences

TABLE = SymbolTable(
    ["_", " ", ",", ".", "!", "h", "ə", "l", "ˈoʊ", "t", "ˈuː", "ð", "ˈɛɹ", "j", "uː", "w", "ˈʌ", "n"]
)


def test_a_text_becomes_sentences_of_known_phonemes() -> None:
    spoken = spoken_sentences("Hello there! 2", TABLE)
    assert ["".join(sentence) for sentence in spoken] == ["_həlˈoʊ ðˈɛɹ!", "_tˈuː."]


@pytest.mark.parametrize("text", ["", "  ", "...", "😀", "\x00\u200b", "?!"])
def test_a_text_without_a_sound_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="can be spoken, expected words"):
        spoken_sentences(text, TABLE)


def test_sentences_without_a_sound_are_left_out() -> None:
    assert len(spoken_sentences("Hello! 😀. ... Hello.", TABLE)) == 2
    unknown = "ᎠᎡ"  # letters that espeak-ng has no name for
    assert len(spoken_sentences(f"Hello! {unknown}. Hello.", TABLE)) == 2
    with pytest.raises(ValueError, match="can be spoken, expected words"):
        spoken_sentences(unknown, TABLE)


def test_a_sentence_of_which_no_phoneme_was_learned_is_left_out_and_a_text_of_such_is_refused() -> None:
    with pytest.warns(UserWarning, match="left out"):
        assert len(spoken_sentences("Hello. Ash. Hello.", TABLE)) == 2
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(
            ValueError, match=r"has learned no phoneme of 'Ash\.', expected a text in its language"
        ),
    ):
        spoken_sentences("Ash.", TABLE)


@pytest.mark.filterwarnings("ignore:left out")
def test_sentences_of_which_nothing_was_learned_are_left_out_and_a_text_of_them_is_refused() -> None:
    table = SymbolTable(["h", "j", "uː"])
    assert spoken_sentences("Go. Hey you. Go.", table) == [["h", "j", "uː"]]
    with pytest.raises(ValueError, match=r"learned no phoneme of 'Go\.'"):
        spoken_sentences("Go.", table)


def test_ten_thousand_characters_in_a_line_are_split() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spoken = spoken_sentences("hello there you two " * 500, TABLE)
    assert len(spoken) > 20
    assert max(map(len, spoken)) < 400


def test_what_was_not_learned_is_replaced_by_what_is_nearest() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known = known_phonemes(["_", "ˌoʊ", "?", "tˈ", "t", "ˌuː"], SymbolTable(["_", "ˈoʊ", "t", "tˈ", "u"]))
    assert known == ["_", "ˈoʊ", "_", "tˈ", "t", "u"]


def test_blanks_are_dropped_silently_and_phonemes_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="left out ʒ x: phonemes that the model has not learned"):
        assert known_phonemes(["ʒ", " ", "t", "x", "ʒ"], SymbolTable(["t"])) == ["t"]
