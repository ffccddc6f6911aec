"""Sheets of pictures of each model: what it starts from, what it samples, and what it has learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from einops import rearrange
from torch import Tensor

from latent_diffusion.autoencoding import in_8_bits
from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.pictures import Pictures
from latent_diffusion.references import References
from latent_diffusion.shown import Shown
from latent_diffusion.tasks import TASKS
from priordiff.report import ColourScale, Picture, Report, Sheet, heatmap_png, image_png

__all__ = ["add_neighbours", "add_samples", "names_of", "originals_of", "pictures_of"]

# Pixels, twice what 64 of them are shown as: a browser makes pictures smaller better than larger.
_SIZE = 128


def add_samples(
    report: Report, config: LatentDiffusionConfig, task: str, shown: Mapping[str, Shown], held_out: Pictures
) -> None:
    """Adds a sheet for each model of a task: its prior, and its samples by the number of evaluations.

    Args:
        report: takes them.
        config: of the experiment.
        task: of the models.
        shown: what was kept of each.
        held_out: images of the task.
    """
    rows = next(iter(shown.values())).rows.tolist()
    highest = max(float(each.std.max()) for each in shown.values())
    place = "latent" if config.space == "latent" else "pixel"
    originals = originals_of(config, task, held_out, rows)
    references = {label: pictures_of(images) for label, images in originals.items()}
    sheets = [
        Sheet(
            name,
            names_of(task, held_out, rows),
            {
                "": references,
                "prior": {
                    "mean": pictures_of(each.mean),
                    "std": [Picture(heatmap_png(std, 0.0, highest, _SIZE)) for std in each.std],
                    "sample": pictures_of(each.noise),
                },
                "evaluations": {str(steps): pictures_of(images) for steps, images in each.samples.items()},
            },
            scale=ColourScale(f"std of a {place}, RMS over its channels", "0", f"{highest:.2f}"),
        )
        for name, each in shown.items()
    ]
    note = (
        "A column has the same conditioning and the same white noise everywhere: mean, standard deviation "
        "and a sample of the prior, then what the model makes of that sample in more and more evaluations."
    )
    if config.space == "latent":
        note += " Mean and sample are decoded by an autoencoder that has learned no noise."
    report.sheets("The prior, and samples by the number of evaluations", sheets, note)


def add_neighbours(
    report: Report, task: str, shown: Mapping[str, Shown], references: References, evaluations: int
) -> None:
    """Adds a sheet for each model that makes new images: samples, and the training images nearest to them.

    Args:
        report: takes them.
        task: of the models.
        shown: what was kept of each.
        references: of the task.
        evaluations: in which the samples are made.
    """
    sheets = []
    for name, each in shown.items():
        if each.neighbours is None or each.distances is None:
            continue
        nearest = {
            f"{number}.": [
                Picture(picture.png, f"{float(distance):.2f} ×")
                for picture, distance in zip(
                    pictures_of(references.remembered.images.images(indices.tolist())), distances, strict=True
                )
            ]
            for number, (indices, distances) in enumerate(
                zip(each.neighbours.T, each.distances.T, strict=True), start=1
            )
        }
        columns = names_of(task, references.validation, each.rows.tolist())
        samples = {"sample": pictures_of(each.samples[evaluations])}
        sheets.append(Sheet(name, columns, {"": samples, "nearest training images": nearest}))
    if sheets:
        report.sheets(
            f"Samples in {evaluations} evaluations, and the training images that are most like them",
            sheets,
            "Cosine distances of features, in multiples of the median distance from a held-out image to the "
            "training image that is nearest to it: a copy has 0, what is as new as a held-out image about 1.",
        )


def names_of(task: str, held_out: Pictures, rows: Sequence[int]) -> list[str]:
    """What each held-out image is, as far as it is known to a model: its class, or its text, or a number.

    Images that are restored have their text, too, or their class where the corpus has none.

    Args:
        task: a key of `TASKS`.
        held_out: the images.
        rows: which of them.
    """
    kind, classes = TASKS[task], held_out.images.class_names
    if kind.has_labels:
        return [classes[held_out.images.records[row].label] for row in rows]
    if kind.has_text or kind.has_image:
        captions = held_out.captions
        return [captions[row] for row in rows]
    return [str(number) for number in range(1, len(rows) + 1)]


def originals_of(
    config: LatentDiffusionConfig, task: str, held_out: Pictures, rows: Sequence[int]
) -> dict[str, Tensor]:
    """Held-out images themselves, in 8 bits; of those that are to be restored, what is given before them.

    Args:
        config: of the experiment.
        task: a key of `TASKS`.
        held_out: the images.
        rows: which of them.
    """
    originals, degrade = held_out.originals(rows), TASKS[task].degrade
    images = in_8_bits(originals.images)
    if degrade is None:
        return {"held out": images}
    left = degrade(originals, config, 0)
    # White holes would not be seen in white drawings.
    given = left.images if left.hidden is None else left.images.masked_fill(left.hidden, 0.0)
    return {"given": in_8_bits(given), "true image": images}


def pictures_of(images: Tensor) -> list[Picture]:
    """8-bit images (N, 3, height, width) as pictures of a sheet."""
    return [Picture(image_png(image / 255, _SIZE)) for image in rearrange(images, "n rgb h w -> n h w rgb")]
