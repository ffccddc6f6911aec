"""Images: files, folders, datasets and drawings as labelled, captioned tensors."""

from priordiff.images.concepts import concept_of
from priordiff.images.corpus import ImageCorpus
from priordiff.images.datasets import dataset_classes, torchvision_images
from priordiff.images.files import IMAGE_EXTENSIONS, read_image, read_mask, to_square
from priordiff.images.folders import folder_images, image_files
from priordiff.images.idx import holds_idx, idx_images
from priordiff.images.openmoji import Drawing, openmoji_drawings, openmoji_images
from priordiff.images.pixels import painted, to_rgb, transparent
from priordiff.images.sets import ImageRecord, ImageSet, ImageSource
from priordiff.images.shards import ImageShards, make_image_shards
from priordiff.images.splits import split
from priordiff.images.svg import render_svg

__all__ = [
    "IMAGE_EXTENSIONS",
    "Drawing",
    "ImageCorpus",
    "ImageRecord",
    "ImageSet",
    "ImageShards",
    "ImageSource",
    "concept_of",
    "dataset_classes",
    "folder_images",
    "holds_idx",
    "idx_images",
    "image_files",
    "make_image_shards",
    "openmoji_drawings",
    "openmoji_images",
    "painted",
    "read_image",
    "read_mask",
    "render_svg",
    "split",
    "to_rgb",
    "to_square",
    "torchvision_images",
    "transparent",
]
