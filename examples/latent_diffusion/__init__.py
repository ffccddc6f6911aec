"""Latent diffusion under data-dependent priors."""
