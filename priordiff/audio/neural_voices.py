"""What voices that are ONNX graphs have in common: durations as one more output, and their alignment."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Sequence
from typing import Any

import numpy as np
import torch

from priordiff._extra import require
from priordiff.audio.pauses import BLANK, MARKS, SILENT, joined_pause
from priordiff.audio.utterance import Utterance

__all__ = ["aligned", "check_hash", "session_with_durations", "spelled"]


def check_hash(name: str, content: bytes, expected: str) -> bytes:
    """The content, if it is what this package knows.

    Raises:
        ValueError: if its SHA-256 is another one.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ValueError(f"{name} has the SHA-256 {found[:12]}…, expected {expected[:12]}…: install it anew")
    return content


def session_with_durations(graph: bytes, node_output: str) -> Any:
    """An onnxruntime session of a graph that says, besides, what one of its nodes computes.

    Args:
        graph: an ONNX file.
        node_output: name of the value that becomes the last output.
    """
    onnx, onnxruntime = require("onnx", extra="voices"), require("onnxruntime", extra="voices")
    model = onnx.load_from_string(graph)
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(node_output))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(
        model.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )


def spelled(phonemes: Sequence[str], known: Container[str]) -> list[list[str]]:
    """Each phoneme, blank and mark in the characters that a voice knows, with a blank after inner marks.

    Args:
        phonemes: as [`phonemes_of`][priordiff.audio.phonemes_of] has them.
        known: characters of the voice.
    """
    last = len(phonemes) - 1
    written = (phoneme + BLANK * (phoneme in MARKS and i < last) for i, phoneme in enumerate(phonemes))
    return [[character for character in each if character in known] for each in written]


def aligned(
    waveform: np.ndarray,
    sample_rate: int,
    lengths: Sequence[tuple[str, int]],
    durations: Iterable[float],
    ahead: int = 0,
) -> Utterance:
    """An utterance from the durations of the characters that a voice was given.

    Args:
        waveform: (N,).
        sample_rate: in Hz.
        lengths: phonemes, blanks, marks and pauses, and how many characters each was given in.
        durations: of all the characters, in samples.
        ahead: how many samples earlier than its durations say the voice sounds; the utterance begins and ends
            where it does.

    Raises:
        ValueError: if the durations don't add up to the waveform.
    """
    counts = [round(float(duration)) for duration in durations]
    given = sum(length for _, length in lengths)
    if len(counts) != given or sum(counts) != len(waveform):
        raise ValueError(
            f"{len(counts)} durations of {sum(counts)} samples in all for {given} characters and "
            f"{len(waveform)} samples, expected the same"
        )
    phonemes: list[tuple[str, int]] = []
    start, read = 0, 0
    for symbol, length in lengths:
        samples = sum(counts[read : read + length])
        last = phonemes[-1][0] if phonemes else ""
        if symbol in SILENT and last in SILENT:
            phonemes[-1] = (joined_pause(last, symbol), phonemes[-1][1])
        elif samples:
            phonemes.append((symbol, start))
        start, read = start + samples, read + length
    sounding = [(symbol, max(0, begin - ahead)) for symbol, begin in phonemes]
    # What would begin before the utterance is not in it, but for the last of that, which sounds at its start.
    first = max(index for index, (_, begin) in enumerate(sounding) if begin == 0)
    return Utterance(torch.from_numpy(np.asarray(waveform, np.float32)), sample_rate, sounding[first:])
