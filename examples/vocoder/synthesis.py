"""Copy-synthesis of a user's own files with a trained vocoder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from accelerate import PartialState
from safetensors import SafetensorError
from torch import Tensor

from priordiff import VocoderPipeline
from priordiff.audio import AUDIO_EXTENSIONS, LogMelSpectrogram, read_audio, write_audio
from priordiff.audio.metrics import log_mel_mae
from vocoder.output import make_writable
from vocoder.task import synthesize

__all__ = ["find_model", "synthesize_files"]

# What the error measure needs, and a frame.
_SHORTEST_SECONDS = 0.5


def find_model(folder: Path) -> Path:
    """The pipeline in a folder that is one, or a run that holds one in `model/`.

    Raises:
        FileNotFoundError: if there is none; the message names what was looked for.
    """
    for candidate in (folder, folder / "model"):
        if (candidate / "model_index.json").is_file():
            return candidate
    inside = sorted(str(path.parent.parent) for path in folder.glob("*/model/model_index.json"))
    hint = f"; it holds runs: give one of {', '.join(inside)}" if inside else ""
    raise FileNotFoundError(
        f"no trained vocoder in {folder}: neither model_index.json nor model/model_index.json is there{hint}"
    )


def synthesize_files(
    model: Path, inputs: Sequence[Path], output: Path, num_inference_steps: int, seed: int
) -> None:
    """Analyses each recording into log-mel frames, and writes what the vocoder makes of them.

    Args:
        model: folder of a pipeline, or of a run.
        inputs: audio files, or folders of them.
        output: folder for the wav files, which bear the names of the inputs.
        num_inference_steps: of the sampler.
        seed: of the noise.

    Raises:
        FileNotFoundError: if there is no model, no input, or a folder holds no audio.
        ValueError: if the model can't be loaded or the number of steps is out of range, if an output would
            replace an input or another output, or, once the others are done, if a file can't be used.
        OSError: if the output cannot be written.
    """
    pipeline = _load(find_model(model)).to(PartialState().device)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler.set_timesteps(num_inference_steps)
    log_mel = LogMelSpectrogram(**pipeline.config.mel)
    destinations = _destinations(inputs, output)
    failures = []
    for destination, source in destinations.items():
        try:
            waveform = _read(source, pipeline.sample_rate, log_mel.hop_length)
        except ValueError as error:
            failures.append(str(error))
            continue
        started = time.perf_counter()
        audio = synthesize(pipeline, waveform, num_inference_steps, seed)
        seconds = time.perf_counter() - started
        make_writable(destination.parent)
        write_audio(destination, audio, pipeline.sample_rate)
        mae = log_mel_mae(audio, waveform, pipeline.sample_rate, log_mel)
        factor = seconds * pipeline.sample_rate / len(waveform)
        print(f"{destination}: log-mel MAE {mae:.3f}, real-time factor {factor:.3f}")
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise ValueError(f"{len(failures)} of {len(destinations)} inputs were left out: {failures[0]}{more}")


def _load(folder: Path) -> VocoderPipeline:
    try:
        return VocoderPipeline.from_pretrained(folder)
    # A damaged file raises whatever its reader does.
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"can't load the vocoder in {folder} ({reason}): export it anew") from error


def _read(source: Path, sample_rate: int, hop_length: int) -> Tensor:
    waveform = read_audio(source, sample_rate)
    if len(waveform) < _SHORTEST_SECONDS * sample_rate:
        seconds = len(waveform) / sample_rate
        raise ValueError(f"{source} is too short: {seconds:.2f} s, expected at least {_SHORTEST_SECONDS} s")
    return waveform[: len(waveform) // hop_length * hop_length]


def _destinations(inputs: Sequence[Path], output: Path) -> dict[Path, Path]:
    destinations: dict[Path, Path] = {}
    for item in inputs:
        if not item.exists():
            raise FileNotFoundError(f"no such input: {item}")
        files = (
            [item]
            if item.is_file()
            else sorted(p for p in item.rglob("*") if p.suffix.lower() in AUDIO_EXTENSIONS)
        )
        if not files:
            raise FileNotFoundError(
                f"no audio in {item}: looked for {', '.join(sorted(AUDIO_EXTENSIONS))} at any depth"
            )
        for file in files:
            relative = Path(file.name) if item.is_file() else file.relative_to(item)
            destination = output / relative.with_suffix(".wav")
            if destination.resolve() == file.resolve():
                raise ValueError(f"{file} would be replaced by its copy: choose another --output")
            if destination in destinations:
                raise ValueError(
                    f"{file} and {destinations[destination]} would both be written to {destination}"
                )
            destinations[destination] = file
    return destinations
