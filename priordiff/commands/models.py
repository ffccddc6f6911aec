"""The models that commands work with, from the folders that they are given."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError

from priordiff.pipelines import ImagePipeline, TextToSpeechPipeline, VocoderPipeline
from priordiff.pipelines.loading import load_pipeline
from priordiff.pretrained import pretrained_images, pretrained_vocoder, pretrained_voice

__all__ = ["load_image_model", "load_saved", "load_vocoder", "load_voice"]

_Pipeline = TypeVar("_Pipeline", ImagePipeline, TextToSpeechPipeline, VocoderPipeline)


def load_image_model(folder: Path | None, device: torch.device | None = None) -> ImagePipeline:
    """Loads a model of images.

    Args:
        folder: as for `load_vocoder`; None for the one that comes with the package.
        device: as for `load_vocoder`.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it can't be loaded.
    """
    model = pretrained_images() if folder is None else load_saved(ImagePipeline, folder, "model of images")
    model.set_progress_bar_config(disable=True)
    return model.to(device or _accelerator())


def load_vocoder(folder: Path | None, device: torch.device | None = None) -> VocoderPipeline:
    """Loads a vocoder.

    Args:
        folder: of a saved pipeline, or of a run that holds one in `model/`; None for the vocoder that comes
            with the package.
        device: onto which; None for the accelerator, if there is one.

    Raises:
        FileNotFoundError: if there is none; the message names what was looked for.
        ValueError: if it can't be loaded.
    """
    vocoder = pretrained_vocoder() if folder is None else load_saved(VocoderPipeline, folder, "vocoder")
    vocoder.set_progress_bar_config(disable=True)
    return vocoder.to(device or _accelerator())


def load_voice(folder: Path | None, device: torch.device | None = None) -> TextToSpeechPipeline:
    """Loads a voice, with the vocoder that comes with the package if it has none of its own.

    Args:
        folder: as for `load_vocoder`; None for the voice that comes with the package.
        device: as for `load_vocoder`.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it can't be loaded, or that vocoder is for other mel frames.
    """
    voice = pretrained_voice() if folder is None else load_saved(TextToSpeechPipeline, folder, "voice")
    if voice.vocoder_model is None:
        try:
            voice = voice.with_vocoder(pretrained_vocoder())
        except ValueError as error:
            raise ValueError(f"{folder} has no vocoder, and priordiff's does not fit: {error}") from error
    return voice.to(device or _accelerator())


def load_saved(kind: type[_Pipeline], folder: Path, called: str) -> _Pipeline:
    """Loads a pipeline.

    Args:
        kind: its class.
        folder: as for `load_vocoder`.
        called: what messages call it.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it can't be loaded.
    """
    folder = _find(folder, called)
    try:
        if (name := kind.load_config(folder).get("_class_name")) != kind.__name__:
            raise ValueError(f"it is a {name}, not a {kind.__name__}")
        return load_pipeline(kind, folder)
    # A damaged file raises whatever its reader does.
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"can't load the {called} in {folder} ({reason}): choose another, or export it anew"
        ) from error


def _find(folder: Path, called: str) -> Path:
    for candidate in (folder, folder / "model"):
        if (candidate / "model_index.json").is_file():
            return candidate
    inside = sorted(str(path.parent.parent) for path in folder.glob("*/model/model_index.json"))
    hint = f"; it holds runs: give one of {', '.join(inside)}" if inside else ""
    raise FileNotFoundError(
        f"no trained {called} in {folder}: neither model_index.json nor model/model_index.json is there{hint}"
    )


def _accelerator() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
