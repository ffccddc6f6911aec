"""Makes images into PNG files."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from priordiff._extra import require
from priordiff.commands.models import load_image_model
from priordiff.commands.output import free_path, image_destination, printable
from priordiff.commands.pictures import Picture
from priordiff.commands.subjects import Subject, subjects_of
from priordiff.files import atomic_path, make_writable
from priordiff.pipelines import ImagePipeline

__all__ = ["Sample", "run_sample", "sample_images", "write_png", "write_sheet"]

_BATCH = 16
_GAP = 2  # pixels between the images of a sheet
_NAMES = 12  # that the last line tells
_LONGEST_NAME = 200  # bytes; file systems take 255, with a number and ".png" after it
_MANY = 16  # classes, of which one image each is enough to see them all
_HOLE = 128  # the grey of what is hidden


@dataclass(frozen=True)
class Sample:
    """An image, what it was made of, and the seed of its noise."""

    subject: Subject
    seed: int
    image: Image.Image


def run_sample(arguments: argparse.Namespace) -> int:
    """Makes images of classes, or of the images that are given."""
    path, is_folder = image_destination(arguments.output)
    pipeline = load_image_model(arguments.model)
    if arguments.list:
        if not pipeline.config.classes:
            raise ValueError(f"the model has no classes to list: its task is {pipeline.config.task!r}")
        print(*pipeline.config.classes, sep="\n")
        return 0
    subjects = subjects_of(pipeline, arguments.classes, arguments.prompts, arguments.input, arguments.mask)
    if arguments.guidance not in (None, 1) and not (pipeline.config.classes or arguments.prompts):
        raise ValueError("--guidance is given, but there is no class or text that could be left out")
    if arguments.no_paste and (task := pipeline.config.task) != "inpainting":
        raise ValueError(
            f"--no-paste is given, but there is nothing to put back: the model's task is {task!r}"
        )
    if not is_folder:
        _keep_inputs(path, subjects)
    sampling = {"num_inference_steps": arguments.steps, "solver": arguments.solver}
    pipeline.scheduler_of_call(**sampling)  # so that what is unknown is found now
    make_writable(path if is_folder else path.parent)
    sampling["guidance_scale"] = arguments.guidance
    count = arguments.count or (1 if len(subjects) > _MANY else 4)
    started, total = time.perf_counter(), len(subjects) * count
    made = sample_images(pipeline, subjects, count, arguments.seed, not arguments.no_paste, **sampling)
    with closing(made) as samples:
        if is_folder:
            for sample in samples:
                name = sample.subject.name
                file = free_path(path / f"{_file_name(name)}.png")
                write_png(file, sample.image, {"Title": name, "seed": str(sample.seed)})
        else:
            write_sheet(path, subjects, list(samples))
    seconds = (time.perf_counter() - started) / total
    names = printable(", ".join(subject.name for subject in subjects[:_NAMES]))
    more = f" and {len(subjects) - _NAMES} more" if len(subjects) > _NAMES else ""
    print(f"{printable(path)}: {count} each of {names}{more}; {seconds:.2f} s an image")
    return 0


def _keep_inputs(sheet: Path, subjects: Sequence[Subject]) -> None:
    """Refuses a sheet in the place of a file that it is made of."""
    for subject in subjects:
        for file in () if subject.picture is None else subject.picture.files:
            # Unlike Path.resolve, this does not raise for a loop of links.
            if os.path.realpath(file) == os.path.realpath(sheet):
                raise ValueError(f"{file} would be replaced by what is made of it: choose another --output")


def sample_images(
    pipeline: ImagePipeline,
    subjects: Sequence[Subject],
    count: int,
    seed: int,
    paste: bool = True,
    **sampling: Any,
) -> Generator[Sample]:
    """Makes images batch by batch, under a progress bar.

    Args:
        pipeline: the model.
        subjects: what it is to make images of.
        count: how many of each.
        seed: of the first one of each subject; the next ones have the next seeds.
        paste: whether what is seen of a picture is put back: an autoencoder changes its pixels.
        **sampling: arguments of the pipeline's call.

    Raises:
        ValueError: if the model can't sample so.
    """
    wanted = [(subject, seed + number) for subject in subjects for number in range(count)]
    # A log file, where every refresh is a line, gets one now and then.
    seconds = 0.1 if sys.stderr.isatty() else 10.0
    bar = require("tqdm", "images").tqdm(
        total=len(wanted), unit="image", leave=False, dynamic_ncols=True, mininterval=seconds
    )
    with bar:
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            labels = [subject.label for subject, _ in batch if subject.label is not None]
            prompts = [subject.prompt for subject, _ in batch if subject.prompt is not None]
            pictures = [subject.picture for subject, _ in batch if subject.picture is not None]
            output: Any = pipeline(
                labels or None,
                _conditioning(pipeline, pictures) if pictures else None,
                prompts=prompts or None,
                num_images=len(batch),
                generator=[torch.Generator().manual_seed(seed) for _, seed in batch],
                **sampling,
            )
            for (subject, each), image in zip(batch, output.images, strict=True):
                yield Sample(subject, each, _pasted(image, subject.picture) if paste else image)
            bar.update(len(batch))


def _conditioning(pipeline: ImagePipeline, pictures: Sequence[Picture]) -> Tensor:
    masks = [picture.hidden for picture in pictures if picture.hidden is not None]
    images = torch.stack([picture.image for picture in pictures]) / 127.5 - 1
    return pipeline.conditioning_of(images, torch.stack(masks) if masks else None)


def _pasted(made: Image.Image, picture: Picture | None) -> Image.Image:
    """With what is seen of a picture that has a hole."""
    if picture is None or picture.hidden is None:
        return made
    return Image.composite(made, _in_pillow(picture.image), Image.fromarray(picture.hidden[0].numpy()))


def _in_pillow(image: Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def write_png(path: Path, image: Image.Image, texts: Mapping[str, str]) -> None:
    """Writes a PNG file, whole or not at all.

    Args:
        path: of the file, which is replaced.
        image: what it shows.
        texts: that it carries, by keyword.

    Raises:
        OSError: if it can't be written.
    """
    info = PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, printable(text))
    with atomic_path(path) as temporary:
        image.save(temporary, "PNG", pnginfo=info)


def write_sheet(path: Path, subjects: Sequence[Subject], samples: Sequence[Sample]) -> None:
    """Writes one PNG file with a row for each subject, whose names and seeds it carries as texts.

    A row begins with the picture that was given, if there is one, grey where it is hidden. Where there is one
    row or one column of images, these follow each other in as many rows as it takes.

    Args:
        path: of the file, which is replaced.
        subjects: of the samples, in their order.
        samples: as many of each.

    Raises:
        OSError: if it can't be written.
    """
    images: list[Image.Image] = []
    count = len(samples) // len(subjects)
    size = samples[0].image.size
    for row, subject in enumerate(subjects):
        if (picture := subject.picture) is not None:
            shown = (
                picture.image if picture.hidden is None else picture.image.masked_fill(picture.hidden, _HOLE)
            )
            images.append(_in_pillow(shown).resize(size, Image.Resampling.NEAREST))
        images += [sample.image for sample in samples[row * count : (row + 1) * count]]
    columns = len(images) // len(subjects)
    if 1 in (columns, len(subjects)):
        columns = min(len(images), max(8, math.ceil(math.sqrt(len(images)))))
    rows = -(-len(images) // columns)
    width, height = (length + _GAP for length in size)
    sheet = Image.new("RGB", (columns * width - _GAP, rows * height - _GAP), "white")
    for number, image in enumerate(images):
        sheet.paste(image, (number % columns * width, number // columns * height))
    names = ", ".join(subject.name for subject in subjects)
    seeds = ", ".join(str(sample.seed) for sample in samples[:count])
    write_png(path, sheet, {"Title": names, "rows": names, "seeds": seeds})


def _file_name(name: str) -> str:
    """The name without what file systems or shells take for something else, and no longer than they take."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-") or "sample"
    return plain.encode()[:_LONGEST_NAME].decode(errors="ignore")
