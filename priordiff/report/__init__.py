"""Reports: one self-contained HTML page of tables, curves, pictures and sound that opens offline."""

from priordiff.report.media import heatmap_png, image_png, spectrogram_png, wav_bytes
from priordiff.report.page import MOST_MODELS, Figure, Report
from priordiff.report.sheet import ColourScale, Picture, Sheet
from priordiff.report.table import Cell, Column, cells_of

__all__ = [
    "MOST_MODELS",
    "Cell",
    "ColourScale",
    "Column",
    "Figure",
    "Picture",
    "Report",
    "Sheet",
    "cells_of",
    "heatmap_png",
    "image_png",
    "spectrogram_png",
    "wav_bytes",
]
