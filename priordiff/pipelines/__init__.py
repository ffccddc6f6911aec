"""Conditioning in, data out: diffusers pipelines with a prior."""

from priordiff.pipelines.vocoder import VocoderPipeline

__all__ = ["VocoderPipeline"]
