from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

pytest.importorskip("accelerate")
pytest.importorskip("praatio")
pytest.importorskip("monotonic_alignment_search")
pytest.importorskip("kitten_text_processing")
pytest.importorskip("espeakng_loader")

from priordiff.audio import AlignedCorpus, AudioCorpus, EspeakVoice, make_corpus, split, spoken_symbols
from priordiff.audio.demo_corpus import shipped_sentences
from priordiff.experiments.learned_alignments import AlignmentConfig, learn_alignments, read_learned


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty sentences of one voice, with the exact alignments."""
    return make_corpus(tmp_path_factory.mktemp("spoken"), shipped_sentences()[:40], voices=[EspeakVoice()])


@pytest.fixture(scope="module")
def mixed(spoken: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[AudioCorpus, Path]:
    """The same, aligned; the first has the second's text, others none, a long one, one without a word."""
    path = tmp_path_factory.mktemp("mixed")
    folder = shutil.copytree(spoken, path / "mixed", ignore=shutil.ignore_patterns("textgrids"))
    lines = [line.split("|")[:2] for line in (folder / "metadata.csv").read_text().splitlines()]
    lines[0][1], lines[2][1], lines[3][1], lines[4][1] = lines[1][1], "", 20 * lines[1][1], "…"
    (folder / "metadata.csv").write_text("".join(f"{'|'.join(line)}\n" for line in lines))
    audio = AudioCorpus.prepare(folder, path / "cache", sample_rate=22050)
    return audio, learn_alignments(audio, path, AlignmentConfig(rounds=5))


def test_boundaries_are_learned_to_within_a_fraction_of_a_phoneme(spoken: Path, tmp_path: Path) -> None:
    audio = AudioCorpus.prepare(spoken, tmp_path / "cache", sample_rate=22050)
    learned = read_learned(audio, learn_alignments(audio, tmp_path))
    exact = AlignedCorpus.read(audio, spoken / "textgrids")
    errors = []
    for ours, theirs in zip(learned.alignments, exact.alignments, strict=True):
        pairs = (
            [
                (symbol, start)
                for symbol, start in zip(each.symbols, each.starts, strict=True)
                if symbol.isalpha()
            ]
            for each in (ours, theirs)
        )
        errors += [abs(a - b) for (said, a), (heard, b) in zip(*pairs, strict=False) if said == heard]
    assert len(errors) > 900
    assert sum(errors) / len(errors) < 0.03  # phonemes last 0.08 s


def test_what_does_not_fit_is_left_out_by_name_with_the_reason(
    mixed: tuple[AudioCorpus, Path], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        learned = read_learned(*mixed)
    assert len(learned) == 36
    for told in (
        "left out 4 of 40",
        "demo-0001: its text doesn't fit what is heard",
        "demo-0003: it has no text",
        "demo-0004: too short for the",
        "demo-0005: nothing in '…' can be spoken",
    ):
        assert told in caplog.text


def test_symbols_are_those_of_the_text_with_the_pauses_that_are_heard(
    mixed: tuple[AudioCorpus, Path],
) -> None:
    learned = read_learned(*mixed)
    texts = [recording.text or "" for recording in learned.audio.recordings]
    for alignment, text in zip(learned.alignments, texts, strict=True):
        (said,) = spoken_symbols(text)
        heard = list(alignment.symbols)
        assert [each for each in heard if each != "_"] == [each for each in said if each not in "_ "]
        assert heard[0] == "_"
        assert " " not in heard
    pauses = sum(alignment.symbols[1:].count("_") for alignment in learned.alignments)
    assert pauses < sum(text.count(" ") for text in texts) / 4


def test_nothing_is_learned_twice_nor_from_held_out_recordings(
    spoken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = AudioCorpus.prepare(spoken, tmp_path / "cache", sample_rate=22050)
    training, held_out = split(audio, 0.2)
    config = AlignmentConfig(rounds=2, recordings=10)
    learned_from: list[int] = []
    from priordiff.experiments.aligner import PhonemeAligner

    fit = PhonemeAligner.fit.__func__

    def counted(cls: type, features: list, *arguments: object) -> PhonemeAligner:
        learned_from.append(sum(each.shape[1] for each in features))
        return fit(cls, features, *arguments)

    monkeypatch.setattr(PhonemeAligner, "fit", classmethod(counted))
    folder = learn_alignments(training, tmp_path, config, [held_out])
    assert len(read_learned(held_out, folder)) == len(held_out)
    assert len(read_learned(training, folder)) == len(training)
    step = -(-len(training) // 10)
    samples = [each.num_samples // 128 for each in training.recordings[::step]]
    assert learned_from == [sum(samples)]
    assert learn_alignments(training, tmp_path, config, [held_out]) == folder
    assert len(learned_from) == 1
    assert learn_alignments(training, tmp_path, AlignmentConfig(rounds=1), [held_out]) != folder


def test_a_run_that_is_interrupted_leaves_no_alignments(
    spoken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = AudioCorpus.prepare(spoken, tmp_path / "cache", sample_rate=22050)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("priordiff.experiments.learned_alignments.write_textgrid", interrupted)
    with pytest.raises(KeyboardInterrupt):
        learn_alignments(audio, tmp_path, AlignmentConfig(rounds=1, recordings=4))
    assert not [*tmp_path.glob("*alignments-*")]


def test_recordings_without_texts_are_refused_with_a_remedy(spoken: Path, tmp_path: Path) -> None:
    audio = AudioCorpus.prepare(spoken / "wavs", tmp_path / "cache", sample_rate=22050)
    with pytest.raises(ValueError, match="demo-0001: it has no text; expected their texts"):
        learn_alignments(audio, tmp_path)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"source": "mfa"}, "auto, textgrids, learned"),
        ({"rounds": 0}, "rounds"),
        ({"recordings": 0}, "recordings"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(setting: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        AlignmentConfig(**setting)


def test_an_unknown_voice_is_nobody_s_missing_text(spoken: Path, tmp_path: Path) -> None:
    audio = AudioCorpus.prepare(spoken, tmp_path / "cache", sample_rate=22050)
    with pytest.raises(ValueError, match="no voice 'elvish'"):
        learn_alignments(audio, tmp_path, AlignmentConfig(voice="elvish"))
