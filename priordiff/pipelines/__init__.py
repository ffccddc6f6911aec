"""Conditioning in, data out: diffusers pipelines with a prior."""

from priordiff.pipelines.apply import apply_prior
from priordiff.pipelines.image import ImagePipeline
from priordiff.pipelines.image_conditioning import Conditioning, denoise
from priordiff.pipelines.image_inpainting import encode_seen, filled
from priordiff.pipelines.image_restoration import FILLS, RESTORATIONS, enlarged, in_grey
from priordiff.pipelines.latents import LatentSpace
from priordiff.pipelines.solvers import SOLVERS, with_solver
from priordiff.pipelines.speaking import TextToSpeechOutput
from priordiff.pipelines.text_to_speech import TextToSpeechPipeline
from priordiff.pipelines.vocoder import VocoderPipeline

__all__ = [
    "FILLS",
    "RESTORATIONS",
    "SOLVERS",
    "Conditioning",
    "ImagePipeline",
    "LatentSpace",
    "TextToSpeechOutput",
    "TextToSpeechPipeline",
    "VocoderPipeline",
    "apply_prior",
    "denoise",
    "encode_seen",
    "enlarged",
    "filled",
    "in_grey",
    "with_solver",
]
