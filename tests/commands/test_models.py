from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("torchaudio")

from priordiff import MelTransformer, TextEncoder, TextToSpeechPipeline
from priordiff.commands.models import load_vocoder, load_voice
from tests.pipelines.test_text_to_speech import make
from tests.refusals import Refuse
from tests.test_package import run_python, without_extras


def acoustic_model(**options: object) -> TextToSpeechPipeline:
    """A pipeline without a vocoder, of the mel frames that the package's vocoder is for."""
    encoder = TextEncoder(1, channels=8, layers=1, filter_channels=16)
    return TextToSpeechPipeline(encoder, MelTransformer(80, 8, layers=1), symbols=["_"], **options)


def test_a_voice_without_a_vocoder_gets_that_of_the_package(tmp_path: Path) -> None:
    acoustic_model().save_pretrained(tmp_path / "run" / "model")
    voice, vocoder = load_voice(tmp_path / "run"), load_vocoder(None)
    assert voice.config.vocoder["num_consistency_steps"] == vocoder.config.num_consistency_steps == 10
    theirs, ours = vocoder.model.state_dict(), voice.vocoder_model.state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in theirs.items())
    assert voice(phonemes=["_"], seed=0).audios[0].dim() == 1


def test_nothing_warns_where_accelerate_is_missing(tmp_path: Path) -> None:
    acoustic_model().save_pretrained(tmp_path)
    program = f"""
from pathlib import Path
from priordiff.commands.models import load_voice
load_voice(Path({str(tmp_path)!r}))
"""
    finished = run_python(without_extras(program))
    assert finished.returncode == 0, finished.stderr
    assert "ccelerate" not in finished.stderr


def test_a_voice_keeps_the_vocoder_that_it_has(tmp_path: Path) -> None:
    make(vocoder={"num_consistency_steps": 2}).save_pretrained(tmp_path)
    assert load_voice(tmp_path).config.vocoder == {"num_consistency_steps": 2}


def test_a_voice_of_other_frames_is_refused(tmp_path: Path, refuse: Refuse) -> None:
    acoustic_model(mel={"f_max": 7600.0}).save_pretrained(tmp_path)
    line = refuse("say", "--model", tmp_path, "--output", tmp_path / "speech.wav", "Hello.")
    assert f"{tmp_path} has no vocoder, and priordiff's does not fit" in line
    assert "mel frames with f_max=8000.0, but this pipeline makes them with f_max=7600.0" in line


def test_a_folder_without_a_voice_or_with_something_else_is_named(tmp_path: Path, refuse: Refuse) -> None:
    load_vocoder(None).save_pretrained(tmp_path / "runs" / "one" / "model")
    line = refuse("say", "Hello.", "--model", tmp_path / "runs")
    assert f"no trained voice in {tmp_path}/runs" in line
    assert f"it holds runs: give one of {tmp_path}/runs/one" in line
    line = refuse("say", "Hello.", "--model", tmp_path / "runs" / "one")
    assert f"can't load the voice in {tmp_path}/runs/one/model" in line
    assert "it is a VocoderPipeline, not a TextToSpeechPipeline" in line
