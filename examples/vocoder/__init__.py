"""Mel to waveform: a vocoder trained under data-dependent priors and under N(0, I)."""
