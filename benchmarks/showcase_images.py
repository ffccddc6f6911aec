"""A figure: what the models of a finished run of `examples/latent_diffusion` make of the same noise.

    python benchmarks/showcase_images.py runs/latent_diffusion --task class --models diagonal isotropic \
        --steps 2 10 --output docs/assets/latent-diffusion-classes.png

has a row for held-out images, and for what is given of them where they are restored, for the mean and the
standard deviation of the first model's prior, and for each model and number of evaluations.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

from latent_diffusion.configuration import LatentDiffusionConfig, ModelName
from latent_diffusion.gallery import names_of, originals_of
from latent_diffusion.pictures import prepare_pictures
from latent_diffusion.references import Data
from latent_diffusion.shown import Shown
from latent_diffusion.tasks import TASKS
from priordiff.training import load_config


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder of a finished run")
    parser.add_argument("--task", default="class", choices=TASKS, help="(default: class)")
    parser.add_argument(
        "--models", nargs="+", required=True, help="of the task, the one with the prior first"
    )
    parser.add_argument("--steps", nargs="+", type=int, default=[2, 10], help="evaluations (default: 2 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the run (default: 0)")
    parser.add_argument("--columns", type=int, default=12, help="pictures in a row (default: 12)")
    parser.add_argument("--output", type=Path, required=True, help="the PNG file")
    arguments = parser.parse_args()
    folders = {
        name: arguments.runs / ModelName.of(name, arguments.task).folder_name(arguments.seed)
        for name in arguments.models
    }
    shown = {name: Shown.read(folder) for name, folder in folders.items()}
    first = next(iter(shown.values()))
    config = load_config(LatentDiffusionConfig, next(iter(folders.values())) / "config.yaml")
    task, columns = TASKS[arguments.task], slice(arguments.columns)
    data = Data(*prepare_pictures(config.corpus, task.has_lines), config.evaluation.training_images)
    held_out, rows = data.of(arguments.task).validation, first.rows.tolist()

    pictures: dict[str, Any] = {**originals_of(config, arguments.task, held_out, rows)}
    pictures["mean of the prior"] = first.mean
    if float(first.std.max() - first.std.min()) > 1e-3:  # the same everywhere, it would be no picture
        pictures["its std"] = first.std
    for name, each in shown.items():
        for steps in arguments.steps:
            pictures[f"{name}, {steps}"] = each.samples[steps]
    titles = [] if task.has_image else names_of(arguments.task, held_out, rows)[columns]
    _draw({label: values[columns] for label, values in pictures.items()}, titles, arguments.output)


def _draw(pictures: dict[str, Any], titles: list[str], file: Path) -> None:
    from matplotlib.figure import Figure

    count = len(next(iter(pictures.values())))
    figure = Figure(figsize=(1.4 + count, len(pictures) + 0.3), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    grid = figure.subplots(len(pictures), count, squeeze=False)
    for row, (label, values) in zip(grid, pictures.items(), strict=True):
        for axes, picture in zip(row, values, strict=True):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if picture.dim() == 2:
                axes.imshow(picture, cmap="magma", vmin=0, vmax=float(values.max()))
            else:
                axes.imshow(picture.permute(1, 2, 0), interpolation="antialiased")
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    for axes, title in zip(grid[0], titles, strict=False):
        axes.set_title(title.replace("-", "-\n", 1) if len(title) > 11 else title, fontsize=7)
    figure.savefig(file, dpi=90)


if __name__ == "__main__":
    main()
