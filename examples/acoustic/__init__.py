"""Text to mel: an acoustic model under a phoneme-level prior, and its baselines."""
