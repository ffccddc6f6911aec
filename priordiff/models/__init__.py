"""Denoisers and encoders."""

from priordiff.models.convnext import ConvNeXtBlock
from priordiff.models.diffwave import DiffWave
from priordiff.models.lapped_convnext import LappedConvNeXt
from priordiff.models.mel_convnext import MelConvNeXt
from priordiff.models.mel_diffwave import MelDiffWave
from priordiff.models.mel_transformer import MelTransformer
from priordiff.models.sentence_encoder import SentenceEncoder, default_sentence_encoder
from priordiff.models.text_encoder import EncodedText, TextEncoder

__all__ = [
    "ConvNeXtBlock",
    "DiffWave",
    "EncodedText",
    "LappedConvNeXt",
    "MelConvNeXt",
    "MelDiffWave",
    "MelTransformer",
    "SentenceEncoder",
    "TextEncoder",
    "default_sentence_encoder",
]
