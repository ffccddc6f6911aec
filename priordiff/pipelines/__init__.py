"""Conditioning in, data out: diffusers pipelines with a prior."""

from priordiff.pipelines.apply import apply_prior
from priordiff.pipelines.solvers import SOLVERS, with_solver
from priordiff.pipelines.speaking import TextToSpeechOutput
from priordiff.pipelines.text_to_speech import TextToSpeechPipeline
from priordiff.pipelines.vocoder import VocoderPipeline

__all__ = [
    "SOLVERS",
    "TextToSpeechOutput",
    "TextToSpeechPipeline",
    "VocoderPipeline",
    "apply_prior",
    "with_solver",
]
