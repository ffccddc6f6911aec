"""What callers give a pipeline of images, checked where it enters."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priordiff.models import default_sentence_encoder
from priordiff.pipelines.image_conditioning import Conditioning

__all__ = [
    "check_image",
    "checked_generator",
    "checked_guidance",
    "label_indices",
    "size_of_batch",
    "text_embeddings",
]


def label_indices(
    labels: Sequence[str | int] | str | int | Tensor | np.ndarray | None, classes: Sequence[str] | None
) -> Tensor | None:
    """The indices of classes, int64 (batch,).

    Args:
        labels: their names or indices, or one of them.
        classes: names of all of them; None if the pipeline has none.

    Raises:
        ValueError: if there is no such class.
    """
    if labels is None:
        return None
    if classes is None:
        raise ValueError("labels are given, but the pipeline was trained without classes")
    values: Any = labels.tolist() if isinstance(labels, (Tensor, np.ndarray)) else labels
    if isinstance(values, str) or not isinstance(values, Iterable):
        values = [values]
    return torch.tensor([_index_of(value, classes) for value in values], dtype=torch.long)


def _index_of(value: Any, classes: Sequence[str]) -> int:
    if isinstance(value, str) and value in classes:
        return classes.index(value)
    try:
        index = operator.index(value)  # of NumPy or PyTorch, too
    except TypeError:
        index = -1
    if not 0 <= index < len(classes):
        raise ValueError(
            f"there is no class {value!r}: expected one of {', '.join(classes)}, or an index of them"
        )
    return index


def text_embeddings(
    text: Tensor | None, prompts: Sequence[str] | str | None, features: int | None
) -> Tensor | None:
    """The embeddings of texts (batch, features).

    Args:
        text: the embeddings themselves.
        prompts: texts, or one, to be embedded by `SentenceEncoder`.
        features: width of the embeddings that the network takes; None if it takes none.

    Raises:
        ValueError: if both are given, the network does not take them, or embeddings are no numbers.
        ImportError: if the extra `captions` is not installed, and there are prompts.
    """
    if text is not None and prompts is not None:
        raise ValueError("text and prompts are both given: expected one of them")
    if prompts is not None:
        if features is None:
            raise ValueError("prompts are given, but the network was trained without texts")
        text = default_sentence_encoder()([prompts] if isinstance(prompts, str) else list(prompts))
    if text is not None and not isinstance(text, Tensor):
        raise ValueError(
            f"text is of type {type(text).__name__}, expected a tensor of embeddings: give texts as prompts"
        )
    if text is not None and (features is None or text.dim() != 2 or text.shape[1] != features):
        expected = "none" if features is None else f"(batch, {features})"
        raise ValueError(f"text has shape {tuple(text.shape)}, expected {expected}")
    if text is not None:
        _check_numbers("text", text)
    return text


def check_image(image: Any | None, shape: tuple[int, int, int]) -> None:
    """Checks a conditioning image.

    Args:
        image: (batch, channels, height, width).
        shape: channels, height and width that it must have; no channels if there must be none.

    Raises:
        ValueError: if it is missing, no tensor, has another shape, or holds what are no numbers.
    """
    if image is None and shape[0]:
        raise ValueError(f"image is missing: the network was trained with one of {shape[0]} channels")
    if image is None:
        return
    expected = (
        f"a tensor (batch, {', '.join(map(str, shape))}): conditioning_of(images) makes it"
        if shape[0]
        else "none: the network was trained without"
    )
    if not isinstance(image, Tensor):
        raise ValueError(f"image is of type {type(image).__name__}, expected {expected}")
    if not shape[0] or tuple(image.shape[1:]) != shape:
        raise ValueError(f"image has shape {tuple(image.shape)}, expected {expected}")
    _check_numbers("image", image)


def _check_numbers(name: str, values: Tensor) -> None:
    if not values.is_floating_point():
        raise ValueError(f"{name} has dtype {values.dtype}, expected floating-point numbers")
    if not torch.isfinite(values).all():
        raise ValueError(f"{name} holds NaN or infinity, expected finite numbers")


def checked_guidance(scale: Any) -> float:
    """The scale of the guidance, a finite number.

    Args:
        scale: 1 for none.

    Raises:
        ValueError: if it is something else.
    """
    try:
        value = float(scale)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"guidance_scale={scale!r}, expected a finite number: 1 for no guidance")
    return value


def checked_generator(generator: Any, batch: int) -> torch.Generator | list[torch.Generator] | None:
    """The source of noise, or a list of one for each image.

    Args:
        generator: it, or a sequence of them.
        batch: how many images there are.

    Raises:
        ValueError: if it is something else, or there are more or fewer.
    """
    if generator is None or isinstance(generator, torch.Generator):
        return generator
    if not isinstance(generator, Sequence) or not all(
        isinstance(each, torch.Generator) for each in generator
    ):
        hint = f", such as torch.Generator().manual_seed({generator})" if type(generator) is int else ""
        raise ValueError(f"generator={generator!r}, expected a torch.Generator, or one for each image{hint}")
    if len(generator) != batch:
        raise ValueError(f"generator is a list of {len(generator)} for {batch} images, expected as many")
    return list(generator)


def size_of_batch(
    conditioning: Conditioning,
    num_images: int | None,
    classes: Sequence[str] | None,
    task: str | None = None,
) -> int:
    """How many images are to be sampled.

    Args:
        conditioning: of all of them.
        num_images: how many, where nothing else says it.
        classes: of the pipeline.
        task: of its network.

    Raises:
        ValueError: if what is given disagrees in it, or the labels or texts are missing.
    """
    sizes = {len(part) for part in conditioning.arguments}
    if len(sizes) > 1:
        raise ValueError(f"labels, image and text are of {sorted(sizes)} items, expected as many of each")
    if classes is not None and conditioning.labels is None:
        raise ValueError(f"labels are missing: expected some of {', '.join(classes)}")
    if task == "text" and conditioning.text is None:
        raise ValueError("texts are missing: expected prompts, or their embeddings as text")
    if num_images is not None and (not isinstance(num_images, Integral) or num_images < 1):
        raise ValueError(f"num_images={num_images!r}, expected an integer of at least 1")
    if not sizes:
        return 1 if num_images is None else int(num_images)
    batch = sizes.pop()
    if not batch:
        raise ValueError("labels, image and text are of 0 items, expected at least one")
    if num_images not in (None, batch):
        raise ValueError(
            f"num_images={num_images}, but labels, image or text are for {batch}: each makes one image, so "
            "repeat them for more, or leave num_images out"
        )
    return batch
