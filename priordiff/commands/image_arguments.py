"""Arguments of the command that makes images."""

from __future__ import annotations

import argparse
from pathlib import Path

from priordiff.command_line import CommandParser
from priordiff.commands.options import add_sampling, within

__all__ = ["sample_parser"]

_DESCRIPTION = """\
Make images: of classes, of texts, from other images, or of nothing.

A model of classes makes images of those that are named; --list tells which there are. A model
of texts takes --prompts. Other models restore the images that are given as --input: of each they
take the middle, scaled to the size that they have learned from. A model of super-resolution
enlarges them, one of colouring gives colours to drawings and photographs, one of inpainting makes
anew what is white in a --mask, or transparent in the image itself.

Without --output all of them come on one sheet, samples.png in the present folder, with a row
for each class, text or input that has several. What is there is kept: the next one is samples-2.png.
"""
_EXAMPLES = """\
examples:
  priordiff sample                                      an image of every class: samples.png
  priordiff sample --list                               the classes of the model
  priordiff sample --classes country-flag food-fruit --count 8
  priordiff sample --classes country-flag --output images
                                                        a file for each: images/country-flag.png ...
  priordiff sample --model runs/latent_diffusion/class-diagonal-seed0 --output sheet.png
  priordiff sample --model runs/latent_diffusion/text-learned-seed0 --prompts heart
  priordiff sample --model runs/latent_diffusion/super-resolution-fourier-seed0 --input small.png
  priordiff sample --model runs/latent_diffusion/colouring-learned-seed0 --input lines/ --output out/
  priordiff sample --model runs/latent_diffusion/inpainting-low-rank-seed0 --input picture.png
      --mask mask.png
"""
_MOST_IMAGES = 10_000  # of a class or input: their seeds are consecutive numbers
_LARGEST_SEED = 2**63 - 1 - _MOST_IMAGES


def sample_parser() -> argparse.ArgumentParser:
    """The parser of `priordiff sample`."""
    parser = CommandParser(prog="priordiff sample", description=_DESCRIPTION, epilog=_EXAMPLES)
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="of what the images are to be, for a model of classes; all: every class (default: all)",
    )
    parser.add_argument("--list", action="store_true", help="print the classes of the model, make no image")
    parser.add_argument(
        "--prompts",
        nargs="+",
        metavar="TEXT",
        help="of what the images are to be, for a model of texts, each text in quotes",
    )
    parser.add_argument(
        "--input",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="images to be restored, or folders of them, for a model of super-resolution, colouring or "
        "inpainting",
    )
    parser.add_argument(
        "--mask",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="for a model of inpainting, images of the size of the inputs, white where these are to be made "
        "anew: one for all inputs, one for each, or a folder of masks with their names (default: what is "
        "transparent)",
    )
    parser.add_argument(
        "--no-paste",
        action="store_true",
        help="leave the rest of an inpainted image as the model makes it, instead of putting back the pixels "
        "of the input",
    )
    parser.add_argument(
        "--count",
        type=within(1, _MOST_IMAGES, int),
        metavar="N",
        help="how many images of each class or text, or from each input (default: 4; 1 of more than 16)",
    )
    parser.add_argument(
        "--output",
        default="",
        metavar="PATH",
        help="a .png file for one sheet of all images, which is replaced if it is there; "
        "or a folder for a PNG file of each (default: a sheet in the present folder)",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="a saved ImagePipeline or a run of examples/latent_diffusion "
        "(default: the model of images that comes with priordiff)",
    )
    parser.add_argument(
        "--guidance",
        type=within(0, 100),
        metavar="SCALE",
        help="of classes or texts: above 1 images are more typical of theirs, and less varied; "
        "1 is none (default: the model's)",
    )
    add_sampling(
        parser,
        "of the first image of each class, text or input, the next ones have the next numbers; "
        "the same number makes the same image (default: 0)",
        _LARGEST_SEED,
    )
    return parser
