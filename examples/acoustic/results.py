"""The report of an experiment: all its models in one table, one chart and one gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from acoustic.configuration import AcousticConfig
from acoustic.corpus import SpokenCorpus
from acoustic.judging import prior_alone, spoken_mels, spoken_wav
from acoustic.listening import Listener
from acoustic.table import WARPED, add_table
from priordiff import TextToSpeechPipeline
from priordiff.audio.metrics import SPEECH_METRICS
from priordiff.experiments import (
    Run,
    add_configuration,
    add_curves,
    by_name,
    machine_facts,
)
from priordiff.models.frames import log_mel_of_standardized
from priordiff.report import Figure, Report, spectrogram_png, wav_bytes

__all__ = ["write_report"]


def write_report(path: Path, config: AcousticConfig, runs: Sequence[Run], data: SpokenCorpus) -> None:
    """Writes the page about the finished runs of an experiment.

    Args:
        path: of the HTML file.
        config: of the experiment.
        runs: that have been trained and evaluated.
        data: their recordings.
    """
    models = by_name(runs)
    report = Report(
        "Acoustic models under data-dependent priors",
        "The same recordings, seeds, steps and measures for each model",
        models=list(models),
    )
    report.facts(
        {
            "training data": f"{len(data.training)} recordings",
            "held out": f"{len(data.validation)} recordings",
            "phonemes": str(len(data.table)),
            "evaluations": str(config.evaluation.num_inference_steps),
            **machine_facts(runs),
        }
    )
    add_table(report, config, models)
    measures = {name: SPEECH_METRICS[name] for name in WARPED}
    add_curves(report, models, measures, loss="all losses together")
    _add_gallery(report, config, models, data)
    add_configuration(report, config)
    report.write(path)


def _add_gallery(
    report: Report, config: AcousticConfig, models: dict[str, list[Run]], data: SpokenCorpus
) -> None:
    evaluation = config.evaluation
    items = data.validation.items[: min(evaluation.report_utterances, evaluation.final_utterances)]
    if not items:
        return
    firsts = {name: runs[0] for name, runs in models.items()}
    mels = {name: spoken_mels(run.directory) for name, run in firsts.items()}
    pipeline = TextToSpeechPipeline.from_pretrained(next(iter(firsts.values())).directory / "model")
    prior = (
        "the prior from which the first model starts (mean, standard deviation and a sample, over the "
        "recording's own durations), "
    )
    report.heading("To see and to hear" if data.listener.vocoder else "To see")
    report.paragraph(
        "Log-mel spectrograms of held-out recordings: the target, "
        f"{prior if pipeline.estimator is not None else ''}and what each model makes of the phonemes."
        + (" A vocoder makes them audible, the target as well." if data.listener.vocoder else "")
    )
    recordings = data.validation.corpus.audio.recordings
    rows = {}
    for index, item in enumerate(items):
        target = log_mel_of_standardized(item["mel"])
        low, high = float(target.min()), float(target.max())
        figures = [_figure("target", target, low, high, _sound(data.listener, target))]
        if pipeline.estimator is not None:
            alone = prior_alone(pipeline, item)
            noise = alone["sample"]
            figures += [
                _figure("mean of the prior", alone["mean"], low, high),
                _figure("standard deviation of the prior", alone["std"], 0.0, float(alone["std"].max())),
                _figure("noise of the prior", noise, low, high, _sound(data.listener, noise)),
            ]
        figures += [
            _figure(name, frames[index], low, high, spoken_wav(firsts[name].directory, index))
            for name, frames in mels.items()
        ]
        rows[recordings[item["index"]].text or recordings[item["index"]].name] = figures
    report.gallery(rows)


def _sound(listener: Listener, frames: Tensor) -> bytes | None:
    sounds = listener.sounds([frames])
    return wav_bytes(sounds[0], listener.config.mel.sample_rate) if sounds else None


def _figure(caption: str, frames: Tensor, low: float, high: float, wav: bytes | None = None) -> Figure:
    picture = spectrogram_png(frames, low, high)
    return Figure(caption, picture, f"log-mel spectrogram, {caption}", wav=wav)
