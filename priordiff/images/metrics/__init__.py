"""Measures of generated images as a set, and of restored ones against the true ones."""

from priordiff._metric import Metric
from priordiff.images.metrics.classification import LinearProbe
from priordiff.images.metrics.distances import frechet_distance, kernel_distance
from priordiff.images.metrics.efficientnet import EfficientNetLite
from priordiff.images.metrics.evaluation import (
    FEWEST_IMAGES,
    IMAGE_METRICS,
    distribution_scores,
    restoration_scores,
)
from priordiff.images.metrics.features import FeatureNetwork, ImageFeatures
from priordiff.images.metrics.manifold import PrecisionRecall, precision_recall
from priordiff.images.metrics.neighbours import Neighbours, nearest_neighbours, share_near_training
from priordiff.images.metrics.restoration import perceptual_distance, psnr, ssim

__all__ = [
    "FEWEST_IMAGES",
    "IMAGE_METRICS",
    "EfficientNetLite",
    "FeatureNetwork",
    "ImageFeatures",
    "LinearProbe",
    "Metric",
    "Neighbours",
    "PrecisionRecall",
    "distribution_scores",
    "frechet_distance",
    "kernel_distance",
    "nearest_neighbours",
    "perceptual_distance",
    "precision_recall",
    "psnr",
    "restoration_scores",
    "share_near_training",
    "ssim",
]
