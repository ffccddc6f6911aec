"""What images are made from: the tasks, and the conditioning of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from latent_diffusion.degrading import Left, Originals, small, with_hole, without_colour

if TYPE_CHECKING:
    from latent_diffusion.configuration import LatentDiffusionConfig

__all__ = ["TASKS", "Task"]


@dataclass(frozen=True)
class Task:
    """What a model is conditioned on.

    Attributes:
        description: in words, for the report.
        has_labels: whether it is the class.
        has_text: whether it is the embedding of the caption.
        degrade: from images and a seed to what is left of them; None if it is no image.
        has_holes: whether a part of the image is hidden, another one for each seed.
        has_lines: whether line drawings are left, of corpora that have them.
    """

    description: str
    has_labels: bool = False
    has_text: bool = False
    degrade: Callable[[Originals, LatentDiffusionConfig, int], Left] | None = None
    has_holes: bool = False
    has_lines: bool = False

    @property
    def has_image(self) -> bool:
        """Whether it is another image."""
        return self.degrade is not None

    @property
    def measures(self) -> tuple[str, str]:
        """The first of the measures by which its models are judged."""
        if not self.has_image:
            return "frechet", "kernel"
        # What was given hides in averages over whole images how well the rest was restored.
        return "psnr_hidden" if self.has_holes else "psnr", "perceptual"


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "class": Task("images of a class", has_labels=True),
        "text": Task("images from a text", has_text=True),
        "super-resolution": Task("images from small ones", degrade=small),
        "inpainting": Task("images from a part of them", degrade=with_hole, has_holes=True),
        "colouring": Task("coloured images from lines or grey", degrade=without_colour, has_lines=True),
        "unconditional": Task("images from nothing"),
    }
)
