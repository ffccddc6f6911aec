"""Denoiser networks."""

from priordiff.models.convnext import ConvNeXtBlock
from priordiff.models.diffwave import DiffWave
from priordiff.models.lapped_convnext import LappedConvNeXt

__all__ = ["ConvNeXtBlock", "DiffWave", "LappedConvNeXt"]
