"""How well the alignment of a corpus is learned from its texts, and a figure of one utterance.

    python benchmarks/alignment.py data/espeak

reads recordings, texts and exact TextGrids from a folder that `make_corpus` has made, learns the alignments
without the TextGrids, and prints how far the starts of phonemes are apart: from the texts alone, and from the
exact phonemes and pauses. It writes `docs/assets/alignment.png`.

The TextGrids of a network's voice may be early or late as a whole. A boundary is where the sound changes: the
shift at which it changes most tells so without any aligner, and a second table has the errors beyond it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from priordiff.audio import AlignedCorpus, Alignment, AlignmentFeatures, AudioCorpus, mean_boundary_error
from priordiff.audio.pauses import SILENT
from priordiff.experiments.aligner import PhonemeAligner
from priordiff.experiments.learned_alignments import AlignmentConfig, learn_alignments, read_learned

ASSETS = Path(__file__).resolve().parents[1] / "docs" / "assets"
_SAMPLE_RATE = 22050
_LARGEST_SHIFT = 20  # frames of 5.8 ms


def main() -> None:
    """Prints the tables, and draws."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpus", type=Path, help="folder with metadata.csv, wavs/ and textgrids/")
    parser.add_argument("--recordings", type=int, help="how many of them (default: all)")
    parser.add_argument("--rounds", type=int, default=AlignmentConfig.rounds, help="of learning")
    parser.add_argument("--utterance", type=int, default=0, help="which is drawn (default: 0, the first)")
    parser.add_argument("--output", type=Path, default=ASSETS, help="(default: docs/assets)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        _compare(arguments, Path(cache))


def _compare(arguments: argparse.Namespace, cache: Path) -> None:
    config = AlignmentConfig(rounds=arguments.rounds)
    audio = AudioCorpus.prepare(arguments.corpus, cache, _SAMPLE_RATE, progress=True)
    audio = audio.select(range(min(len(audio), arguments.recordings or len(audio))))
    started = time.perf_counter()
    learned = read_learned(audio, learn_alignments(audio, cache, config, progress=True))
    seconds = time.perf_counter() - started
    exact = AlignedCorpus.read(learned.audio, arguments.corpus / "textgrids")
    minutes = sum(alignment.end for alignment in exact.alignments) / 60
    print(f"{len(exact)} of {len(audio)} utterances, {minutes:.1f} min; learned in {seconds:.0f} s")
    features = AlignmentFeatures(audio.sample_rate)
    heard = [features(exact.audio.waveform(index)) for index in range(len(exact))]
    frame = features.hop_length / audio.sample_rate
    shift = _shift(heard, exact.alignments, frame)
    print(f"the sound changes most {1000 * shift:+.0f} ms from where the TextGrids say")

    symbols = [alignment.symbols for alignment in exact.alignments]
    aligner = PhonemeAligner.fit(heard, symbols, config.rounds)
    told, equal = [], []
    for index, (each, said) in enumerate(zip(heard, symbols, strict=True)):
        durations = aligner.align(each, said).durations
        told.append(Alignment.of_durations(said, durations, features.hop_length, audio.sample_rate))
        end = exact.alignments[index].end
        equal.append(Alignment(said, tuple(end * i / len(said) for i in range(len(said))), end))
    pairs = zip(told, exact.alignments, strict=True)
    errors = [mean_boundary_error(ours, theirs) for ours, theirs in pairs]
    print(f"mean_boundary_error, exact phonemes and pauses given: {sum(errors) / len(errors):.1f} ms")
    rows = {
        "equal durations": equal,
        "learned, from the text": learned.alignments,
        "learned, phonemes and pauses told": told,
    }
    _table("to the TextGrids", rows, exact.alignments, 0.0)
    if abs(shift) > 2 * frame:
        _table(f"to the TextGrids, {1000 * shift:+.0f} ms", rows, exact.alignments, shift)
    index = arguments.utterance
    file = arguments.output / "alignment.png"
    _draw(exact.audio.waveform(index), learned.alignments[index], exact.alignments[index], file)


def _table(
    title: str, rows: dict[str, Sequence[Alignment]], exact: Sequence[Alignment], shift: float
) -> None:
    print(f"\n| {title} | mean, ms | median, ms | within 20 ms | within 50 ms | starts |")
    print("|---|---|---|---|---|---|")
    for name, alignments in rows.items():
        pairs = [_common_starts(*pair) for pair in zip(alignments, exact, strict=True)]
        found, true = torch.tensor([pair for each in pairs for pair in each], dtype=torch.float64).T
        errors = 1000 * (found - true - shift).abs()
        shares = " | ".join(f"{100 * float((errors <= limit).double().mean()):.0f} %" for limit in (20, 50))
        print(f"| {name} | {errors.mean():.1f} | {errors.median():.1f} | {shares} | {len(errors)} |")


def _common_starts(alignment: Alignment, exact: Alignment) -> list[tuple[float, float]]:
    """When each phoneme starts that both have: the voice may have said another one than the text suggests."""
    ours, theirs = (
        [pair for pair in zip(each.symbols, each.starts, strict=True) if pair[0] not in SILENT]
        for each in (alignment, exact)
    )
    matcher = SequenceMatcher(None, [s for s, _ in ours], [s for s, _ in theirs], autojunk=False)
    return [
        (ours[block.a + offset][1], theirs[block.b + offset][1])
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
    ]


def _shift(heard: Sequence[Tensor], exact: Sequence[Alignment], frame: float) -> float:
    """Seconds from the stated boundaries between phonemes at which the sound changes most on average."""
    reach, width = _LARGEST_SHIFT, 2
    total = torch.zeros(2 * reach + 1)
    for features, alignment in zip(heard, exact, strict=True):
        averages = features[: len(features) // 2].unfold(1, width, 1).mean(dim=2)
        change = (averages[:, width:] - averages[:, :-width]).square().sum(dim=0)
        neighbours = zip(pairwise(alignment.symbols), alignment.starts[1:], strict=True)
        for (before, after), start in neighbours:
            first = round(start / frame) - width - reach
            if before not in SILENT and after not in SILENT and 0 <= first < len(change) - 2 * reach:
                total += change[first : first + 2 * reach + 1]
    return (int(total.argmax()) - reach) * frame


def _draw(waveform: Tensor, learned: Alignment, exact: Alignment, file: Path) -> None:
    from matplotlib.figure import Figure

    rate, longest, n_fft = _SAMPLE_RATE, 1.1, 512
    spectrum = torch.stft(waveform, n_fft, 64, window=torch.hann_window(n_fft), return_complex=True)
    decibels = 20 * spectrum[: int(7000 * n_fft / rate)].abs().clamp(min=1e-5).log10()
    high = float(decibels.max())
    sounding = [t for s, t in zip(exact.symbols, exact.starts, strict=True) if s not in SILENT]
    begin = max(0.0, sounding[0] - 0.1)
    end = min(begin + longest, exact.end)
    figure = Figure(figsize=(4.6, 4), layout="constrained")
    above, axes, below = figure.subplots(3, 1, sharex=True, height_ratios=(1, 7, 1))
    axes.imshow(
        decibels,
        origin="lower",
        aspect="auto",
        extent=(0, decibels.shape[1] * 64 / rate, 0, 7),
        vmin=high - 65,
        vmax=high,
        cmap="Greys",
    )
    for lane, alignment, name, color in (
        (above, exact, "exact", "#00695c"),
        (below, learned, "learned", "#d84315"),
    ):
        times = [*alignment.starts, alignment.end]
        for symbol, (start, stop) in zip(alignment.symbols, pairwise(times), strict=True):
            if begin <= (start + stop) / 2 < end and symbol not in SILENT:
                lane.text((start + stop) / 2, 0.5, symbol, ha="center", va="center", color=color, fontsize=9)
        inner = [time for time in times if begin < time < end]
        lane.vlines(inner, 0, 1, color=color, linewidth=1)
        top = (3.5, 7) if name == "exact" else (0, 3.5)
        axes.vlines(inner, *top, color=color, linewidth=1)
        lane.set_ylim(0, 1)
        lane.set_yticks([0.5], [name], color=color, fontsize=10)
        lane.tick_params(length=0)
        for side in ("top", "right", "left", "bottom"):
            lane.spines[side].set_visible(False)
    axes.set_xlim(begin, end)
    axes.set_ylabel("kHz")
    above.tick_params(labelbottom=False)
    axes.tick_params(labelbottom=False)
    below.set_xlabel("seconds")
    figure.savefig(file, dpi=170)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
