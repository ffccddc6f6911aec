"""Reports: one self-contained HTML page of tables, curves, pictures and sound that opens offline."""

from priordiff.report.media import image_png, spectrogram_png, wav_bytes
from priordiff.report.page import Figure, Report
from priordiff.report.table import Cell, Column, cells_of

__all__ = ["Cell", "Column", "Figure", "Report", "cells_of", "image_png", "spectrogram_png", "wav_bytes"]
