"""Conditioning in, data out: diffusers pipelines with a prior."""

from priordiff.pipelines.apply import apply_prior
from priordiff.pipelines.vocoder import VocoderPipeline

__all__ = ["VocoderPipeline", "apply_prior"]
