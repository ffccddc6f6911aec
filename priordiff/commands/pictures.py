"""The pictures that a command is to restore, with what is hidden of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from priordiff.images import IMAGE_EXTENSIONS, image_files, read_image, read_mask

__all__ = ["Picture", "read_pictures"]

_ONE_BY_ONE = "have it lie where the picture lies in its folder, or give a mask for each in their order"


@dataclass(frozen=True)
class Picture:
    """A picture that is to be restored.

    Args:
        name: of its file, without the extension.
        image: its middle, uint8 (3, height, width).
        hidden: of that, bool (1, height, width), True where it is to be made anew; None if the whole is.
        files: that it was read from, with its mask's.
    """

    name: str
    image: Tensor
    hidden: Tensor | None = None
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Listed:
    """A file, and its path in the folder that was given, without the extension."""

    file: Path
    place: Path


def read_pictures(
    inputs: Sequence[Path], masks: Sequence[Path] | None, size: tuple[int, int], has_holes: bool
) -> list[Picture]:
    """Reads the pictures that a model is to restore.

    Args:
        inputs: files of pictures, or folders of them.
        masks: files, white where a picture is to be made anew: one for all pictures, or one for each in their
            order; or a folder, in which a mask has the place of its picture in its folder, or else the name
            of this one alone. None for what is transparent.
        size: height and width of what is made of them.
        has_holes: whether the model fills in what is hidden.

    Raises:
        FileNotFoundError: if a file is not there, or a folder holds none.
        ValueError: if a file is no image, or has no mask, or several, or one of another size, or nothing is
            hidden.
    """
    pictures = [listed for path in inputs for listed in _listed(path)]
    if not has_holes:
        return [Picture(each.file.stem, read_image(each.file, size), files=(each.file,)) for each in pictures]
    return [
        Picture(
            each.file.stem,
            read_image(each.file, size),
            _hidden(each.file, size, mask),
            (each.file,) if mask is None else (each.file, mask),
        )
        for each, mask in zip(pictures, _masks_of(pictures, masks), strict=True)
    ]


def _listed(path: Path) -> list[_Listed]:
    if not path.is_dir():
        return [_Listed(path, Path(path.stem))]
    files, problems = image_files(path)
    if problems:
        raise ValueError(problems[0])
    if not files:
        extensions = ", ".join(IMAGE_EXTENSIONS)
        raise FileNotFoundError(f"no images in {path}: looked for {extensions} files at any depth")
    return [_Listed(file, file.relative_to(path).with_suffix("")) for file in files]


def _masks_of(pictures: Sequence[_Listed], masks: Sequence[Path] | None) -> Sequence[Path | None]:
    if not masks:
        return [None] * len(pictures)
    if len(masks) == 1 and masks[0].is_dir():
        return _masks_by_name(pictures, masks[0])
    if len(masks) not in (1, len(pictures)):
        raise ValueError(
            f"--mask has {len(masks)} files for {len(pictures)} pictures: give one for all, one for each in "
            "their order, or a folder of masks with their names"
        )
    return [*masks] if len(masks) == len(pictures) else [masks[0]] * len(pictures)


def _masks_by_name(pictures: Sequence[_Listed], folder: Path) -> list[Path]:
    listed = _listed(folder)
    chosen: list[Path] = []
    owners: dict[Path, Path] = {}
    for picture in pictures:
        same_place = [mask.file for mask in listed if mask.place == picture.place]
        found = same_place or [mask.file for mask in listed if mask.place.name == picture.place.name]
        if not found:
            raise ValueError(
                f"{folder} has no mask of {picture.file}: expected an image called {picture.file.stem}"
            )
        if len(found) > 1:
            raise ValueError(
                f"{found[0]} and {found[1]} may both be the mask of {picture.file}: {_ONE_BY_ONE}"
            )
        owner = owners.setdefault(found[0], picture.file)
        if owner != picture.file:
            raise ValueError(f"{found[0]} may be the mask of {owner} or of {picture.file}: {_ONE_BY_ONE}")
        chosen.append(found[0])
    return chosen


def _hidden(picture: Path, size: tuple[int, int], mask: Path | None) -> Tensor:
    hidden = read_mask(picture, size, mask)
    if not hidden.any():
        given = "it is transparent nowhere" if mask is None else f"{mask} is white nowhere"
        raise ValueError(
            f"nothing is hidden of {picture}: in the middle, which is restored, {given}; give --mask, "
            "an image that is white where the picture is to be made anew"
        )
    return hidden
