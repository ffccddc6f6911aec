"""Denoisers, as diffusers models."""

from priordiff.models.diffwave import DiffWave

__all__ = ["DiffWave"]
