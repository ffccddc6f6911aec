"""Copy-synthesis of a user's own files with a trained vocoder."""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priordiff.audio import AUDIO_EXTENSIONS, LogMelSpectrogram, audio_files, read_audio, write_audio
from priordiff.audio.metrics import log_mel_mae
from priordiff.commands.models import load_vocoder
from priordiff.commands.output import printable
from priordiff.commands.threads import in_threads
from priordiff.files import make_writable
from priordiff.pipelines import VocoderPipeline
from priordiff.pipelines.solvers import checked_steps, with_solver

__all__ = ["run_synthesize", "synthesize_files"]

_logger = logging.getLogger(__name__)

# What the error measure needs, and a frame.
_SHORTEST_SECONDS = 0.5


def run_synthesize(arguments: argparse.Namespace) -> int:
    """Copy-synthesis of a user's own recordings."""
    sampling = {
        "num_inference_steps": arguments.steps,
        "solver": arguments.solver,
        "num_consistency_steps": arguments.consistency_steps,
    }
    vocoder = load_vocoder(arguments.model)
    synthesize_files(vocoder, arguments.input, arguments.output, arguments.seed, **sampling)
    return 0


def synthesize_files(
    pipeline: VocoderPipeline,
    inputs: Sequence[Path],
    output: Path,
    seed: int,
    num_inference_steps: int | None = None,
    solver: str | None = None,
    num_consistency_steps: int | None = None,
) -> None:
    """Analyses each recording into log-mel frames, and writes what the vocoder makes of them.

    On a CPU several recordings are in work at a time, one to a thread.

    A recording beyond full scale (±1) is scaled to it, with a warning.

    Args:
        pipeline: the vocoder.
        inputs: audio files, or folders in which `audio_files` finds them.
        output: folder for the wav files, which bear the names of the inputs.
        seed: of the noise.
        num_inference_steps: of the sampler; None for the model's.
        solver: in place of the model's, one of `priordiff.pipelines.SOLVERS`.
        num_consistency_steps: after the sampler; None for the model's.

    Raises:
        FileNotFoundError: if there is no input, or a folder holds no audio.
        ValueError: if the solver is unknown or the number of steps out of range, if an output would replace
            an input or another output, or, once the others are done, if files or folders can't be used; the
            message names them all.
        OSError: if the output cannot be written.
    """
    if solver is not None:
        with_solver(pipeline.scheduler, solver)  # so that what is unknown is found now
    if num_inference_steps is None:
        num_inference_steps = pipeline.config.num_inference_steps
    checked_steps(pipeline.scheduler, num_inference_steps)
    log_mel = LogMelSpectrogram(**pipeline.config.mel)
    destinations, failures = _destinations(inputs, output)
    sampling: dict[str, Any] = {
        "num_inference_steps": num_inference_steps,
        "solver": solver,
        "num_consistency_steps": num_consistency_steps,
    }

    def synthesize(files: tuple[Path, Path]) -> tuple[str, bool]:
        """What is to be said of a file, and whether it was left out."""
        destination, source = files
        try:
            waveform = _read(source, pipeline.sample_rate, log_mel.hop_length)
        except (ValueError, OSError) as error:
            return str(error), True
        started = time.perf_counter()
        generator = torch.Generator().manual_seed(seed)
        (audios,) = pipeline(waveform=waveform[None], generator=generator, return_dict=False, **sampling)
        audio = audios[0].cpu()
        seconds = time.perf_counter() - started
        make_writable(destination.parent)
        write_audio(destination, audio, pipeline.sample_rate)
        mae = log_mel_mae(audio, waveform, pipeline.sample_rate, log_mel)
        factor = seconds * pipeline.sample_rate / len(waveform)
        return f"{printable(destination)}: log-mel MAE {mae:.3f}, real-time factor {factor:.3f}", False

    total = len(destinations) + len(failures)
    for line, is_left_out in in_threads(synthesize, list(destinations.items()), pipeline.device):
        if is_left_out:
            failures.append(line)
        else:
            print(line, flush=True)
    if failures:
        raise ValueError(f"{len(failures)} of {total} inputs were left out: {'; '.join(failures)}")


def _read(source: Path, sample_rate: int, hop_length: int) -> Tensor:
    waveform = read_audio(source, sample_rate)
    if len(waveform) < _SHORTEST_SECONDS * sample_rate:
        seconds = len(waveform) / sample_rate
        raise ValueError(f"{source} is too short: {seconds:.2f} s, expected at least {_SHORTEST_SECONDS} s")
    peak = waveform.abs().max()
    if peak > 1:
        _logger.warning("%s has samples up to ±%.6g, beyond full scale: it is scaled to ±1", source, peak)
        waveform = waveform / peak
    return waveform[: len(waveform) // hop_length * hop_length]


def _destinations(inputs: Sequence[Path], output: Path) -> tuple[dict[Path, Path], list[str]]:
    """The input for each file that is to be written, and a line for each folder that can't be listed."""
    destinations: dict[Path, Path] = {}
    problems: list[str] = []
    for item in inputs:
        # A link that leads nowhere passes: often it is one of many files that a shell has listed.
        if not os.path.lexists(item):
            raise FileNotFoundError(f"no such input: {item}")
        files, unlisted = audio_files(item) if item.is_dir() else ([item], [])
        if not files:
            raise FileNotFoundError(
                f"no audio in {item}: looked for {', '.join(AUDIO_EXTENSIONS)} at any depth"
                + "".join(f"; {problem}" for problem in unlisted)
            )
        problems += unlisted
        for file in files:
            relative = Path(file.name) if file == item else file.relative_to(item)
            destination = output / relative.with_suffix(".wav")
            # Unlike Path.resolve, this does not raise for a loop of links.
            if os.path.realpath(destination) == os.path.realpath(file):
                raise ValueError(f"{file} would be replaced by its copy: choose another --output")
            if destination in destinations:
                raise ValueError(
                    f"{file} and {destinations[destination]} would both be written to {destination}"
                )
            destinations[destination] = file
    return destinations, problems
