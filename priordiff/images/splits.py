"""Splitting a corpus into training and validation images."""

from __future__ import annotations

from priordiff.corpora import split_by_hash
from priordiff.images.corpus import ImageCorpus

__all__ = ["split"]


def split(corpus: ImageCorpus, validation_fraction: float) -> tuple[ImageCorpus, ImageCorpus]:
    """Splits a corpus by a hash of each image's concept.

    Variants of one drawing stand on one side, and stay there when others are added or removed;
    [`split_by_hash`][priordiff.corpora.split_by_hash] has the rule. Classes are not balanced: a rare one may
    be missing on one side.

    Args:
        corpus: images of at least two concepts.
        validation_fraction: expected share of the held-out concepts, between 0 and 1.

    Returns:
        Training and validation images, of at least one concept each, in the corpus's order.

    Raises:
        ValueError: the fraction is not between 0 and 1, or there are fewer than two concepts.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from priordiff.images import folder_images
        >>> folder = tempfile.mkdtemp()
        >>> for name in ("circle.png", "circle.gif", "square.png", "star.png"):
        ...     Image.new("L", (8, 8)).save(f"{folder}/{name}")
        >>> training, validation = split(ImageCorpus.prepare(folder_images(folder), folder, size=8), 0.3)
        >>> len(training) + len(validation)
        4
    """
    concepts = [record.concept for record in corpus.records]
    training, validation = split_by_hash(concepts, validation_fraction, "concept")
    return corpus.select(training), corpus.select(validation)
