"""What a model of images is to make images of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from priordiff.commands.pictures import Picture, read_pictures
from priordiff.pipelines import ImagePipeline

__all__ = ["Subject", "subjects_of"]

_EVERY_CLASS = "all"


@dataclass(frozen=True)
class Subject:
    """What images are made of; what is None is not there.

    Args:
        name: of the class or the file, or the text, or "sample".
        label: name of a class.
        prompt: a text.
        picture: that is to be restored.
    """

    name: str
    label: str | None = None
    prompt: str | None = None
    picture: Picture | None = None


def subjects_of(
    pipeline: ImagePipeline,
    classes: Sequence[str] | None = None,
    prompts: Sequence[str] | None = None,
    inputs: Sequence[Path] | None = None,
    masks: Sequence[Path] | None = None,
) -> list[Subject]:
    """What a model is to make images of: each combination of what is given.

    Args:
        pipeline: the model.
        classes: names of classes; None or "all" for every class that it has.
        prompts: texts.
        inputs: files of images that it is to restore, or folders of them; the middle is taken.
        masks: files that are white where these are to be made anew, or a folder of them.

    Raises:
        ValueError: if the model knows no such class, takes no texts, images or masks, or needs some; or a
            file is no image, or does not fit.
        OSError: if a file can't be read.
    """
    task = pipeline.config.task
    labels: Sequence[str | None] = _labels(pipeline, classes) or [None]
    takes_text = task == "text" or (task is None and "cross_attention_dim" in pipeline.unet.config)
    takes_images = pipeline.unet.config.in_channels > pipeline.sample_shape[0]
    has_holes = task == "inpainting"
    if task == "text" and not prompts:
        raise ValueError("the model makes images of texts: give some as --prompts")
    if takes_images and not inputs:
        raise ValueError("the model restores images: give the files of some as --input")
    for name, given, takes in (
        ("--prompts", prompts, takes_text),
        ("--input", inputs, takes_images),
        ("--mask", masks, has_holes),
    ):
        if given and not takes:
            raise ValueError(f"{name} is given, but the model takes none: its task is {task!r}")
    pictures: Sequence[Picture | None] = [None]
    if inputs:
        pictures = read_pictures(inputs, masks, pipeline.given_size, has_holes)
    texts: Sequence[str | None] = prompts or [None]
    return [
        Subject(_name(label, prompt, picture), label, prompt, picture)
        for picture, prompt, label in product(pictures, texts, labels)
    ]


def _name(label: str | None, prompt: str | None, picture: Picture | None) -> str:
    parts = (label, prompt, None if picture is None else picture.name)
    return "-".join(part for part in parts if part) or "sample"


def _labels(pipeline: ImagePipeline, classes: Sequence[str] | None) -> list[str]:
    known: list[str] = list(pipeline.config.classes or ())
    if classes and not known:
        raise ValueError(f"--classes is given, but the model has none: its task is {pipeline.config.task!r}")
    labels = list(dict.fromkeys(classes or known))
    if _EVERY_CLASS in labels and _EVERY_CLASS not in known:
        return known
    for label in labels:
        if label not in known:
            raise ValueError(f"there is no class {label!r}: expected some of {', '.join(known)}, or all")
    return labels
