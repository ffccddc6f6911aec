"""What callers give a pipeline of images, checked where it enters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from priordiff.models import default_sentence_encoder
from priordiff.pipelines.image_conditioning import Conditioning

__all__ = ["check_image", "label_indices", "size_of_batch", "text_embeddings"]


def label_indices(
    labels: Sequence[str | int] | str | Tensor | None, classes: Sequence[str] | None
) -> Tensor | None:
    """The indices of classes, int64 (batch,).

    Args:
        labels: their names or indices.
        classes: names of all of them; None if the pipeline has none.

    Raises:
        ValueError: if there is no such class.
    """
    if labels is None:
        return None
    if classes is None:
        raise ValueError("labels are given, but the pipeline was trained without classes")
    values = (
        labels.tolist() if isinstance(labels, Tensor) else [labels] if isinstance(labels, str) else labels
    )
    indices = [classes.index(value) if value in classes else value for value in values]
    for index in indices:
        if not isinstance(index, int) or not 0 <= index < len(classes):
            raise ValueError(
                f"there is no class {index!r}: expected one of {', '.join(classes)}, or an index of them"
            )
    return torch.tensor(indices, dtype=torch.long)


def text_embeddings(
    text: Tensor | None, prompts: Sequence[str] | str | None, features: int | None
) -> Tensor | None:
    """The embeddings of texts (batch, features).

    Args:
        text: the embeddings themselves.
        prompts: texts, or one, to be embedded by `SentenceEncoder`.
        features: width of the embeddings that the network takes; None if it takes none.

    Raises:
        ValueError: if both are given, or the network does not take them.
        ImportError: if the extra `captions` is not installed, and there are prompts.
    """
    if text is not None and prompts is not None:
        raise ValueError("text and prompts are both given: expected one of them")
    if prompts is not None:
        if features is None:
            raise ValueError("prompts are given, but the network was trained without texts")
        text = default_sentence_encoder()([prompts] if isinstance(prompts, str) else list(prompts))
    if text is not None and (features is None or text.dim() != 2 or text.shape[1] != features):
        expected = "none" if features is None else f"(batch, {features})"
        raise ValueError(f"text has shape {tuple(text.shape)}, expected {expected}")
    return text


def check_image(image: Tensor | None, shape: tuple[int, int, int]) -> None:
    """Checks a conditioning image.

    Args:
        image: (batch, channels, height, width).
        shape: channels, height and width that it must have; no channels if there must be none.

    Raises:
        ValueError: if it is missing, or has another shape.
    """
    if image is None and shape[0]:
        raise ValueError(f"image is missing: the network was trained with one of {shape[0]} channels")
    if image is not None and (not shape[0] or tuple(image.shape[1:]) != shape):
        expected = f"(batch, {', '.join(map(str, shape))})" if shape[0] else "none"
        raise ValueError(f"image has shape {tuple(image.shape)}, expected {expected}")


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
    batch = sizes.pop() if sizes else 1 if num_images is None else num_images
    if batch < 1 or num_images not in (None, batch):
        raise ValueError(f"num_images={num_images}, expected {max(batch, 1)} or more, as what is given")
    return batch
