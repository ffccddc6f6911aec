"""Arguments of the command."""

from __future__ import annotations

from pathlib import Path

from priordiff.command_line import Command, experiment_parser

__all__ = ["COMMANDS"]

_EXAMPLES = """\
  accelerate launch examples/latent_diffusion                      the demo: classes and super-resolution
  accelerate launch examples/latent_diffusion --seeds 0 1 2        means and spread over three seeds
  accelerate launch examples/latent_diffusion task=inpainting --prior low-rank compare=[isotropic]
                                                                   what is hidden, given what is seen
  accelerate launch examples/latent_diffusion compare=[isotropic,diagonal/fine-tuned,diagonal/lora]
                                                                   from a model that was trained with N(0, I)
  accelerate launch examples/latent_diffusion corpus.dataset=FashionMNIST corpus.download=true
                                                                   a dataset of torchvision
"""

COMMANDS = {
    "train": Command(
        experiment_parser(
            prog="examples/latent_diffusion",
            description="Train image models under priors, compare each with its twins, and write a report.",
            examples=_EXAMPLES,
            configs=Path(__file__).parent / "configs",
            data="a folder of images, a sub-folder for each class or with metadata.jsonl (default: OpenMoji)",
            choice="prior",
            choices=["isotropic", "diagonal", "low-rank", "fourier", "learned"],
        ),
        "latent_diffusion.commands:run_train",
    ),
}
