"""The pictures that a command is to restore, with what is hidden of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from priordiff.images import IMAGE_EXTENSIONS, image_files, read_image, read_mask

__all__ = ["Picture", "read_pictures"]


@dataclass(frozen=True)
class Picture:
    """A picture that is to be restored.

    Args:
        name: of its file, without the extension.
        image: its middle square, uint8 (3, size, size).
        hidden: of that square, bool (1, size, size), True where it is to be made anew; None if the whole is.
    """

    name: str
    image: Tensor
    hidden: Tensor | None = None


def read_pictures(
    inputs: Sequence[Path], masks: Sequence[Path] | None, size: int, has_holes: bool
) -> list[Picture]:
    """Reads the pictures that a model is to restore.

    Args:
        inputs: files of pictures, or folders of them.
        masks: files, white where a picture is to be made anew: one for all pictures, or one for each in their
            order; or a folder, in which a mask has the name of its picture. None for what is transparent.
        size: height and width of the squares that are made of them.
        has_holes: whether the model fills in what is hidden.

    Raises:
        FileNotFoundError: if a file is not there, or a folder holds none.
        ValueError: if a file is no image, or has no mask, or one of another size, or nothing is hidden.
    """
    files = [file for path in inputs for file in _files(path)]
    if not has_holes:
        return [Picture(file.stem, read_image(file, size)) for file in files]
    return [
        Picture(file.stem, read_image(file, size), _hidden(file, size, mask))
        for file, mask in zip(files, _masks_of(files, masks), strict=True)
    ]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files, problems = image_files(path)
    if problems:
        raise ValueError(problems[0])
    if not files:
        extensions = ", ".join(IMAGE_EXTENSIONS)
        raise FileNotFoundError(f"no images in {path}: looked for {extensions} files at any depth")
    return files


def _masks_of(pictures: Sequence[Path], masks: Sequence[Path] | None) -> list[Path | None]:
    if not masks:
        return [None] * len(pictures)
    if len(masks) == 1 and masks[0].is_dir():
        named = {file.stem: file for file in _files(masks[0])}
        for picture in pictures:
            if picture.stem not in named:
                raise ValueError(
                    f"{masks[0]} has no mask of {picture}: expected an image called {picture.stem}"
                )
        return [named[picture.stem] for picture in pictures]
    if len(masks) not in (1, len(pictures)):
        raise ValueError(
            f"--mask has {len(masks)} files for {len(pictures)} pictures: give one for all, one for each in "
            "their order, or a folder of masks with their names"
        )
    return [*masks] if len(masks) == len(pictures) else [masks[0]] * len(pictures)


def _hidden(picture: Path, size: int, mask: Path | None) -> Tensor:
    hidden = read_mask(picture, size, mask)
    if not hidden.any():
        given = "it is transparent nowhere" if mask is None else f"{mask} is white nowhere"
        raise ValueError(
            f"nothing is hidden of {picture}: in the middle square, which is restored, {given}; give --mask, "
            "an image that is white where the picture is to be made anew"
        )
    return hidden
