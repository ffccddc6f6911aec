"""Copy-synthesis of a user's own files with a trained vocoder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from accelerate import PartialState

from priordiff import VocoderPipeline
from priordiff.audio import AUDIO_EXTENSIONS, LogMelSpectrogram, read_audio, write_audio
from priordiff.audio.metrics import log_mel_mae
from vocoder.task import synthesize

__all__ = ["find_model", "synthesize_files"]


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
        ValueError: if a file cannot be read, or two inputs would be written to the same file.
        OSError: if the output cannot be written.
    """
    pipeline = VocoderPipeline.from_pretrained(find_model(model)).to(PartialState().device)
    pipeline.set_progress_bar_config(disable=True)
    log_mel = LogMelSpectrogram(**pipeline.config.mel)
    destinations = _destinations(inputs, output)
    for destination, source in destinations.items():
        waveform = read_audio(source, pipeline.sample_rate)
        waveform = waveform[: len(waveform) // log_mel.hop_length * log_mel.hop_length]
        started = time.perf_counter()
        audio = synthesize(pipeline, waveform, num_inference_steps, seed)
        seconds = time.perf_counter() - started
        write_audio(destination, audio, pipeline.sample_rate)
        error = log_mel_mae(audio, waveform, pipeline.sample_rate, log_mel)
        factor = seconds * pipeline.sample_rate / len(waveform)
        print(f"{destination}: log-mel MAE {error:.3f}, real-time factor {factor:.3f}")


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
            if destination in destinations:
                raise ValueError(
                    f"{file} and {destinations[destination]} would both be written to {destination}"
                )
            destinations[destination] = file
    return destinations
