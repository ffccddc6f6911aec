"""Memory and time of the package's vocoder and voice by the length of the audio, each in a fresh process.

`python -m benchmarks.length SECONDS DEVICE SEED CASE …` is such a process: it prints measurements as JSON.
In quick mode one process sees that all cases run.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.children import measured_in_child, peak_resident_bytes
from benchmarks.measuring import Options, Times, synchronize
from benchmarks.sentences import lines_of
from benchmarks.tables import Table
from priordiff import VocoderPipeline, pretrained_vocoder, pretrained_voice
from priordiff.audio import LogMelSpectrogram

__all__ = ["tables"]

LENGTHS, CHUNK_SECONDS = (10, 60, 600), 1.0  # seconds
TARGET = 1.5 * 2**30  # bytes, for ten minutes
LONG, ROUNDS_OF_LONG = 600, 3
CHARACTERS_A_SECOND = 15  # about as fast as the voice speaks
MEASURES = ("audio", "seconds", "first chunk", "loaded", "peak")


def tables(options: Options) -> Iterator[Table]:
    """Time a second of audio, and resident memory at its peak, of calls and of a stream."""
    results: dict[tuple[str, float], list[dict[str, float]]] = {}
    together = [list(CASES)] if options.quick else [[case] for case in CASES]
    for measured in range(options.rounds):
        for cases, seconds in itertools.product(together, (1,) if options.quick else LENGTHS):
            if seconds < LONG or measured < ROUNDS_OF_LONG:
                given = str(seconds), str(options.device), str(options.seed), *cases
                found = measured_in_child(["-m", "benchmarks.length", *given])
                for case, each in found.items():
                    results.setdefault((case, seconds), []).append(each)
    rows = []
    for (case, _), found in results.items():
        times = Times([each["seconds"] for each in found])
        middle = {name: median(each[name] for each in found) for name in MEASURES if name in found[0]}
        shown = {"case": case, **middle, "spread": times.spread, "a second": times.median / middle["audio"]}
        for name in ("loaded", "peak"):
            shown[name] /= 2**30
        has_target = middle["audio"] >= 0.9 * LONG
        rows.append({**shown, "below 1.5 GiB": middle["peak"] < TARGET if has_target else None})
    title = (
        "The package's vocoder and voice by length, each in a process of its own: memory is resident "
        "(of the device, if that has its own), with what was loaded; target for ten minutes: below 1.5 GiB"
    )
    columns = {
        "case": "{}",
        "audio": "{:.1f} s",
        "seconds": "{:.2f} s",
        "spread": "± {:.1%}",
        "a second": "{:.4f} s",
        "first chunk": "{:.3f} s",
        "loaded": "{:.2f} GiB",
        "peak": "{:.2f} GiB",
        "below 1.5 GiB": "{}",
    }
    yield Table(title, columns, rows)


def _vocoder(seconds: float, device: torch.device, seed: int) -> Iterator[dict[str, float]]:
    """A call on frames of noise; yields at first when all is loaded."""
    vocoder, log_mel = _loaded_vocoder(seconds, device, seed)
    yield {}
    audio = vocoder(log_mel, generator=torch.Generator().manual_seed(seed)).audios
    yield {"audio": audio.shape[-1] / vocoder.sample_rate}


def _stream(seconds: float, device: torch.device, seed: int) -> Iterator[dict[str, float]]:
    """The same in chunks, of which none is kept."""
    vocoder, log_mel = _loaded_vocoder(seconds, device, seed)
    yield {}
    started, first, samples = time.perf_counter(), 0.0, 0
    generator = torch.Generator().manual_seed(seed)
    for chunk in vocoder.stream(log_mel, CHUNK_SECONDS, generator=generator):
        synchronize(device)
        first = first or time.perf_counter() - started
        samples += len(chunk)
    yield {"audio": samples / vocoder.sample_rate, "first chunk": first}


def _voice(seconds: float, device: torch.device, seed: int) -> Iterator[dict[str, float]]:
    """Text to speech of about the length."""
    voice = pretrained_voice().to(device)
    voice.set_progress_bar_config(disable=True)
    sentences = itertools.cycle(lines_of("spoken.txt"))
    text = next(sentences)
    while len(text) < seconds * CHARACTERS_A_SECOND:
        text = f"{text} {next(sentences)}"
    voice("So.", seed=seed)
    yield {}
    (audio,) = voice(text, seed=seed).audios
    yield {"audio": len(audio) / voice.sample_rate}


CASES: dict[str, Callable[[float, torch.device, int], Iterator[dict[str, float]]]] = {
    "vocoder": _vocoder,
    "vocoder, stream": _stream,
    "text to speech": _voice,
}


def _loaded_vocoder(seconds: float, device: torch.device, seed: int) -> tuple[VocoderPipeline, Tensor]:
    """The vocoder, which has been called once, and frames (n_mels, F): one second of noise, repeated."""
    vocoder = pretrained_vocoder().to(device)
    vocoder.set_progress_bar_config(disable=True)
    hop_length = vocoder.model.config.hop_length
    frames, second = (round(each * vocoder.sample_rate / hop_length) for each in (seconds, 1))
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, second * hop_length, generator=generator) / 20
    log_mel = LogMelSpectrogram(**vocoder.config.mel)(noise)[0]
    vocoder(log_mel[:, : second // 4], generator=generator)
    return vocoder, log_mel.repeat(1, -(-frames // second))[:, :frames].to(device)


def _measure(case: str, seconds: float, device: torch.device, seed: int) -> dict[str, Any]:
    def peak() -> int:
        on_cuda = device.type == "cuda"
        return torch.cuda.max_memory_allocated(device) if on_cuda else peak_resident_bytes()

    running = CASES[case](seconds, device, seed)
    next(running)
    loaded, started = peak(), time.perf_counter()
    found = next(running)
    synchronize(device)
    return {**found, "seconds": time.perf_counter() - started, "loaded": loaded, "peak": peak()}


if __name__ == "__main__":
    length, on, given_seed, *names = sys.argv[1:]
    given = float(length), torch.device(on), int(given_seed)
    print(json.dumps({name: _measure(name, *given) for name in names}))
