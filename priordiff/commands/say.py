"""Speaks texts into audio files."""

from __future__ import annotations

import argparse
import sys
import time
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from priordiff._extra import require
from priordiff.audio import audio_writer, sentences_of
from priordiff.commands.models import load_voice
from priordiff.commands.output import audio_destinations, printable
from priordiff.commands.texts import given_texts
from priordiff.files import make_writable
from priordiff.pipelines import TextToSpeechPipeline

__all__ = ["run_say", "speak_into"]

# What is needed, and the extra that installs it.
_PACKAGES = {"soundfile": "audio", "tqdm": "audio", "kitten_text_processing": "text", "sentencex": "text"}


def run_say(arguments: argparse.Namespace) -> int:
    """Speaks the texts that are given, each into a file of its own."""
    texts = given_texts(arguments.text, arguments.file)
    paths = audio_destinations([text.name for text in texts], arguments.output)
    for package, extra in _PACKAGES.items():
        require(package, extra)  # before a model is loaded
    voice = load_voice(arguments.model)
    manner = {
        "speaker": _name_or_index(arguments.speaker, voice.config.speakers or ()),
        "speed": arguments.speed,
        "pitch_shift": arguments.pitch_shift,
        "temperature": arguments.temperature,
        "num_inference_steps": arguments.steps,
        "solver": arguments.solver,
        "seed": arguments.seed,
    }
    for text, path in zip(texts, paths, strict=True):
        started = time.perf_counter()
        seconds = speak_into(path, voice, text.content, arguments.pause, **manner)
        factor = (time.perf_counter() - started) / seconds
        print(f"{printable(path)}: {seconds:.1f} s of speech, real-time factor {factor:.3f}", flush=True)
    return 0


def speak_into(
    path: Path, voice: TextToSpeechPipeline, text: str, pause: float = 0.25, **manner: Any
) -> float:
    """Speaks a text into an audio file, sentence by sentence: only one is in memory.

    The speech is that of a call of the pipeline. A progress bar counts the sentences, if there are several.

    Args:
        path: of the file, which is replaced; its folder is made.
        voice: that speaks.
        text: of any length.
        pause: between sentences, in seconds.
        **manner: arguments of the pipeline's `stream`.

    Returns:
        The duration of the speech in seconds.

    Raises:
        ValueError: if the text can't be spoken in that manner, or the extension is unknown.
        OSError: if the file can't be written; nothing is left behind.
    """
    spoken = voice.stream(text, **manner)
    total = len(sentences_of(text, language=voice.config.voice))
    bar = require("tqdm", "audio").tqdm(
        desc=printable(path),
        total=total,
        unit="sentence",
        leave=False,
        disable=total < 2,
        dynamic_ncols=True,
        # A log file, where every refresh is a line, gets one now and then.
        mininterval=0.1 if sys.stderr.isatty() else 10.0,
    )
    silence = torch.zeros(round(pause * voice.sample_rate))
    with bar:
        first = next(spoken)  # before anything is made that would have to be removed
        make_writable(path.parent)
        num_samples = 0
        with audio_writer(path, voice.sample_rate) as write:
            for index, audio in enumerate(chain([first], spoken)):
                for piece in (silence, audio) if index else (audio,):
                    write(piece)
                    num_samples += len(piece)
                bar.update()
    return num_samples / voice.sample_rate


def _name_or_index(speaker: str | None, names: Any) -> str | int | None:
    if speaker is not None and speaker not in names and speaker.isdecimal():
        return int(speaker)
    return speaker
