"""What voices that are ONNX graphs have in common: durations as one more output, and their alignment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from priordiff.audio._extra import require
from priordiff.audio.utterance import Utterance

__all__ = ["aligned", "check_hash", "session_with_durations"]

_STRESS = "ˈˌ"
_LENGTH = "ː"
_SILENT = " ;:,.!?_^$"


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


def aligned(
    waveform: np.ndarray, sample_rate: int, symbols: Sequence[str], durations: Iterable[float], frame: int
) -> Utterance:
    """An utterance from the durations of the symbols that a voice was given.

    A stress mark belongs to the phoneme behind it, a length mark to the one before it, and blanks,
    punctuation and what stands for the ends are pauses.

    Args:
        waveform: (N,).
        sample_rate: in Hz.
        symbols: of the International Phonetic Alphabet, punctuation and blanks among them.
        durations: of each symbol, in frames.
        frame: samples of a frame.

    Raises:
        ValueError: if the durations don't add up to the waveform.
    """
    counts = [round(float(duration)) * frame for duration in durations]
    if len(counts) != len(symbols) or sum(counts) != len(waveform):
        raise ValueError(
            f"{len(counts)} durations of {sum(counts)} samples in all for {len(symbols)} symbols and "
            f"{len(waveform)} samples, expected the same"
        )
    phonemes: list[tuple[str, int]] = []
    start, stress = 0, ""
    begins = 0
    for symbol, count in zip(symbols, counts, strict=True):
        begins = begins if stress else start
        start += count
        if symbol in _STRESS:
            stress += symbol
            continue
        name = "_" if symbol in _SILENT else stress + symbol
        stress = ""
        last = phonemes[-1][0] if phonemes else ""
        if symbol == _LENGTH and last not in ("", "_"):
            phonemes[-1] = (last + symbol, phonemes[-1][1])
        elif not (name == last == "_") and start > begins:
            phonemes.append((name, begins))
    return Utterance(torch.from_numpy(np.asarray(waveform, np.float32)), sample_rate, phonemes)
