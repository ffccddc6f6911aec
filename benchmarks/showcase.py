"""The figure of the README and the players of the vocoder's page, from a finished demo and a voice.

    python benchmarks/showcase.py runs/vocoder --voice priordiff/pretrained/vocoder --speech data/af_heart

writes `docs/assets/vocoder.png` and `docs/assets/audio/*.mp3`: the first held-out recording of the demo, the
noise from which its main model and its isotropic twin begin, and what they make of it; and the first
recording of a folder with what the voice makes of it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import soundfile
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

from priordiff import VocoderPipeline
from priordiff.audio import AudioCorpus, LogMelSpectrogram, mel_consistent
from priordiff.training import load_config
from vocoder.configuration import VocoderConfig
from vocoder.data import prepare_corpus
from vocoder.priors import BASELINE
from vocoder.targets import evaluation_targets, prior_noise, synthesize

ASSETS = Path(__file__).resolve().parents[1] / "docs" / "assets"


def main() -> None:
    """Writes the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder of a finished demo")
    parser.add_argument("--voice", type=Path, required=True, help="folder of a saved pipeline")
    parser.add_argument("--speech", type=Path, required=True, help="folder of recordings for the voice")
    parser.add_argument("--seed", type=int, default=0, help="of the demo (default: 0)")
    parser.add_argument("--output", type=Path, default=ASSETS, help="(default: docs/assets)")
    arguments = parser.parse_args()
    config = load_config(VocoderConfig, arguments.runs / f"spectral-seed{arguments.seed}" / "config.yaml")
    target = evaluation_targets(config, prepare_corpus(config)[1])[0]
    sounds = {"recording": target}
    for prior in (BASELINE, "spectral"):
        pipeline = _load(arguments.runs / f"{prior}-seed{arguments.seed}" / "model")
        log_mel = LogMelSpectrogram(**pipeline.config.mel)
        sounds[f"{prior}-noise"] = prior_noise(pipeline, log_mel(target[None]), seed=0)
        noise = sounds[f"{prior}-noise"]
        steps = pipeline.config.num_consistency_steps
        sounds[f"{prior}-noise-consistent"] = mel_consistent(
            noise[None], log_mel(target[None]), log_mel, steps
        )[0]
        sounds[f"{prior}-sample"] = synthesize(pipeline, target, seed=0, num_consistency_steps=0)
        sounds[prior] = synthesize(pipeline, target, seed=0)
    _draw(sounds, pipeline.sample_rate, arguments.output / "vocoder.png")

    voice = _load(arguments.voice)
    with tempfile.TemporaryDirectory() as cache:
        corpus = AudioCorpus.prepare(arguments.speech, cache, voice.sample_rate)
        spoken = corpus.crop(0, 0, corpus.recordings[0].num_samples // 256 * 256).clone()
    sounds["voice-recording"] = spoken
    sounds["voice-noise"] = prior_noise(voice, log_mel(spoken[None]), seed=0)
    sounds["voice-sample"] = synthesize(voice, spoken, seed=0, num_consistency_steps=0)
    sounds["voice"] = synthesize(voice, spoken, seed=0)
    folder = arguments.output / "audio"
    folder.mkdir(parents=True, exist_ok=True)
    for name, waveform in sounds.items():
        audible = (waveform / waveform.abs().max().clamp(min=1)).numpy()
        soundfile.write(folder / f"{name}.mp3", audible, voice.sample_rate, format="MP3")


def _load(folder: Path) -> VocoderPipeline:
    pipeline = VocoderPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _narrow_band(waveform: Tensor, sample_rate: int, highest: float = 4000.0) -> Tensor:
    """Decibels (bins, frames) up to a frequency, fine enough for the harmonics of a voice."""
    n_fft = 1024
    spectrum = torch.stft(waveform, n_fft, 128, window=torch.hann_window(n_fft), return_complex=True)
    return 20 * spectrum[: int(highest * n_fft / sample_rate)].abs().clamp(min=1e-5).log10()


def _draw(sounds: dict[str, Tensor], sample_rate: int, file: Path) -> None:
    from matplotlib.figure import Figure

    frames = {name: _narrow_band(waveform, sample_rate) for name, waveform in sounds.items()}
    high = float(frames["recording"].max())
    low = high - 60
    titles = [
        [("recording", "the recording"), None, None],
        *(
            [
                (f"{prior}-noise", noise),
                (f"{prior}-sample", "what a network makes of it"),
                (prior, "brought closer to its mel"),
            ]
            for prior, noise in ((BASELINE, "N(0, I)"), ("spectral", "N(0, Σ), Σ from the mel"))
        ),
    ]
    figure = Figure(figsize=(12, 6), layout="constrained")
    for row, panels in zip(figure.subplots(3, 3), titles, strict=True):
        for axes, panel in zip(row, panels, strict=True):
            axes.set_axis_off()
            if panel is not None:
                axes.imshow(
                    frames[panel[0]], origin="lower", aspect="auto", vmin=low, vmax=high, cmap="magma"
                )
                axes.set_title(panel[1], fontsize=10)
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
