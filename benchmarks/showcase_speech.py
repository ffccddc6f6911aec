"""The figure and the players of the acoustic example's page, from a finished demo and a voice.

    python benchmarks/showcase_speech.py runs/acoustic [--voice MODEL]

writes `docs/assets/acoustic.png` and `docs/assets/audio/speech-*.mp3`: a held-out recording of the demo, the
prior of its phonemes, and what each model makes of these in twelve evaluations and in two; and some sentences
that the package's voice says.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import soundfile
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

from acoustic.configuration import AcousticConfig
from acoustic.corpus import prepare_corpus
from acoustic.judging import prior_alone, speak
from acoustic.kinds import KINDS
from priordiff import TextToSpeechPipeline
from priordiff.commands.models import load_voice
from priordiff.training import load_config

ASSETS = Path(__file__).resolve().parents[1] / "docs" / "assets"
_SAID = {
    "numbers": "The train to Boston leaves at 7:45 from platform 3, and a ticket costs $12.50.",
    "question": "Is it true that Doctor Brown has planted 250 apple trees along the road to the village?",
    "story": "We watched the moon climb slowly above the dark hills, and nobody said a word.",
}
_COLUMNS = 4


def main() -> None:
    """Writes the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder of a finished demo")
    parser.add_argument("--voice", type=Path, help="saved pipeline (default: the package's)")
    parser.add_argument("--seed", type=int, default=0, help="of the demo (default: 0)")
    parser.add_argument("--utterance", type=int, default=0, help="of the held-out ones (default: 0)")
    parser.add_argument("--output", type=Path, default=ASSETS, help="(default: docs/assets)")
    arguments = parser.parse_args()
    folders = {kind: arguments.runs / f"{kind}-seed{arguments.seed}" for kind in KINDS}
    folders = {kind: folder for kind, folder in folders.items() if (folder / "model").is_dir()}
    config = load_config(AcousticConfig, folders["prior"] / "config.yaml")
    listener = prepare_corpus(config).listener
    item, symbols = listener.items[arguments.utterance], listener.phonemes[arguments.utterance]
    panels: dict[str, tuple[str, Tensor]] = {"recording": ("recording", listener.mels[arguments.utterance])}
    spread = None
    for kind, folder in folders.items():
        pipeline = TextToSpeechPipeline.from_pretrained(folder / "model")
        pipeline.set_progress_bar_config(disable=True)
        if kind == "prior":
            alone = prior_alone(pipeline, item)
            spread = alone["std"]
            panels |= {"prior-mean": ("mean of the prior", alone["mean"])}
            panels |= {"prior-noise": ("noise of the prior", alone["sample"])}
        evaluations = (12, 2) if KINDS[kind].prior else (None,)
        for steps in evaluations:
            title = kind if steps is None else f"{kind}, {steps} evaluations"
            name = kind if steps is None else f"{kind}-{steps}"
            panels[name] = (title, speak(pipeline, symbols, item, steps).mel)
    folder = arguments.output / "audio"
    folder.mkdir(parents=True, exist_ok=True)
    _draw(panels, spread, arguments.output / "acoustic.png")

    sounds = dict(zip(panels, listener.sounds([mel for _, mel in panels.values()]), strict=True))
    voice = load_voice(arguments.voice)
    sounds |= {f"voice-{name}": voice(text, seed=0).audios[0] for name, text in _SAID.items()}
    for name, waveform in sounds.items():
        audible = (waveform / waveform.abs().max().clamp(min=1)).numpy()
        soundfile.write(folder / f"speech-{name}.mp3", audible, voice.sample_rate, format="MP3")


def _draw(panels: dict[str, tuple[str, Tensor]], spread: Tensor | None, file: Path) -> None:
    from matplotlib.figure import Figure

    _, target = panels["recording"]
    drawn = [(title, mel, float(target.min()), float(target.max())) for title, mel in panels.values()]
    if spread is not None:
        drawn.insert(2, ("standard deviation of the prior", spread, 0.0, float(spread.max())))
    rows = -(-len(drawn) // _COLUMNS)
    figure = Figure(figsize=(12, 1.9 * rows), layout="constrained")
    for axes in figure.subplots(rows, _COLUMNS).flat:
        axes.set_axis_off()
        if drawn:
            title, mel, low, high = drawn.pop(0)
            axes.imshow(mel, origin="lower", aspect="auto", vmin=low, vmax=high, cmap="magma")
            axes.set_title(title, fontsize=10)
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
