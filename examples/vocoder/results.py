"""The report of an experiment: all its models in one table, one chart and one gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from priordiff import VocoderPipeline
from priordiff.audio import LogMelSpectrogram, read_audio
from priordiff.audio.metrics import SPEECH_METRICS
from priordiff.experiments import EVALUATION, add_configuration, add_curves, by_name, machine_facts
from priordiff.report import Figure, Report, spectrogram_png, wav_bytes
from vocoder.configuration import VocoderConfig
from vocoder.data import Recordings
from vocoder.run import VocoderRun
from vocoder.table import add_table
from vocoder.targets import evaluation_targets, prior_noise

__all__ = ["write_report"]


def write_report(
    path: Path,
    config: VocoderConfig,
    runs: Sequence[VocoderRun],
    corpora: tuple[Recordings, Recordings],
) -> None:
    """Writes the page about the finished runs of an experiment.

    Args:
        path: of the HTML file.
        config: of the experiment.
        runs: that have been trained and evaluated.
        corpora: training and validation recordings.
    """
    models = by_name(runs)
    report = Report(
        "A vocoder under data-dependent priors",
        "The same recordings, seeds and measures under each prior",
        models=list(models),
    )
    report.facts(
        {
            "training data": _extent(corpora[0]),
            "held out": _extent(corpora[1]),
            "sampling steps": str(config.evaluation.num_inference_steps),
            "consistency steps": str(config.evaluation.num_consistency_steps),
            **machine_facts(runs),
        }
    )
    add_table(report, config, models)
    measures = {name: SPEECH_METRICS[name] for name in ("log_mel_mae", "mr_stft")}
    add_curves(report, models, measures, loss="squared error in white space")
    _add_gallery(report, config, models, corpora[1])
    add_configuration(report, config)
    report.write(path)


def _extent(corpus: Recordings) -> str:
    return f"{len(corpus)} recordings, {corpus.seconds / 60:.1f} min"


def _add_gallery(
    report: Report, config: VocoderConfig, models: dict[str, list[VocoderRun]], validation: Recordings
) -> None:
    shown = evaluation_targets(config, validation)[: config.evaluation.report_utterances]
    if not shown:
        return
    report.heading("To see and to hear")
    report.paragraph(
        "Log-mel spectrograms of held-out recordings: the target, the noise from which the first model "
        "starts, and what each model makes of it."
    )
    first_runs = [runs[0] for runs in models.values()]
    pipeline = VocoderPipeline.from_pretrained(first_runs[0].directory / "model")
    log_mel = LogMelSpectrogram(**pipeline.config.mel)
    rows = {}
    for index, target in enumerate(shown):
        recording = validation.recordings[index]
        condition = log_mel(target[None])
        low, high = float(condition.min()), float(condition.max())

        def figure(
            caption: str, waveform: Tensor, note: str = "", low: float = low, high: float = high
        ) -> Figure:
            frames = log_mel(waveform[None])[0]
            picture = spectrogram_png(frames, low, high)
            sound = wav_bytes(waveform, pipeline.sample_rate)
            return Figure(caption, picture, f"log-mel spectrogram, {caption}", note, sound)

        figures = [figure("target", target)]
        if pipeline.estimator is not None:
            noise = prior_noise(pipeline, condition, seed=index)
            figures.append(figure(f"{first_runs[0].prior} prior noise", noise))
        for run in first_runs:
            waveform = read_audio(run.directory / EVALUATION / f"{recording.name}.wav", pipeline.sample_rate)
            error = float((log_mel(waveform[None]) - condition).abs().mean())
            figures.append(figure(run.name, waveform, f"log-mel MAE {error:.3f}"))
        rows[recording.text or recording.name] = figures
    report.gallery(rows)
