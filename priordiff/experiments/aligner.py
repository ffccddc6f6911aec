"""Which phoneme sounds when, from nothing but recordings and their phonemes: a prior that aligns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from priordiff.audio import SymbolTable, monotonic_durations
from priordiff.audio.pauses import BLANK, SILENT
from priordiff.audio.phonemes import STRESS_MARKS
from priordiff.estimators import ClassMomentsEstimator

__all__ = ["FittedPhonemes", "PhonemeAligner"]

_PARTS = 3  # beginning, middle and end of a phoneme: what comes in from its neighbours has a place to be
_FLOOR = 0.2  # of a standard deviation, where that of all frames is 1
_SHORTEST_PAUSE = 5  # frames of 5.8 ms: the closure of a plosive is no pause


@dataclass(frozen=True)
class FittedPhonemes:
    """How the phonemes of a recording lie in it.

    Attributes:
        durations: of each symbol in frames, int64 (L,): 0 for a blank where there is no pause.
        misfit: how much likelier a frame would be, in nats on average, if any phoneme could sound anywhere:
            small where the recording says what the phonemes say.
    """

    durations: Tensor
    misfit: float


class PhonemeAligner:
    r"""Aligns phonemes with frames, under moments that it has learned from the alignment itself.

    Each third of a phoneme has the mean and the standard deviation of its frames, as the phonemes' prior of
    PriorGrad has them ([`ClassMomentsEstimator`][priordiff.ClassMomentsEstimator]), and all pauses share one
    pair. From phonemes of equal length on, two steps take turns: moments of the frames that each part has,
    and the alignment under which the frames are likeliest
    ([`monotonic_durations`][priordiff.audio.monotonic_durations]). Neither lowers the likelihood: this is
    the Viterbi training of hidden Markov models (Juang and Rabiner, IEEE Trans. ASSP 1990), without
    probabilities of transition. Nothing is drawn at random.

    A blank between words may be silent or not there at all: the phonemes are aligned with a pause for each,
    and once more with those pauses that last. All other symbols last a frame for each of their parts.

    Args:
        table: phonemes without stress marks.
        moments: of their parts.
        scale: standard deviation of each feature over all recordings, (features,).

    Example:
        >>> from priordiff.audio import AlignmentFeatures, speak
        >>> features, recordings, symbols = AlignmentFeatures(), [], []
        >>> for text in ("Hello there.", "Hello, who are you?", "Are you there?"):
        ...     utterance = speak(text)
        ...     recordings.append(features(utterance.waveform))
        ...     symbols.append([symbol for symbol, _ in utterance.phonemes])
        >>> aligner = PhonemeAligner.fit(recordings, symbols, rounds=4)
        >>> fitted = aligner.align(recordings[0], symbols[0])
        >>> int(fitted.durations.sum()) == recordings[0].shape[1]
        True
    """

    def __init__(self, table: SymbolTable, moments: ClassMomentsEstimator, scale: Tensor) -> None:
        self.table, self.moments, self.scale = table, moments, scale

    @classmethod
    def fit(
        cls,
        features: Sequence[Tensor],
        symbols: Sequence[Sequence[str]],
        rounds: int = 10,
        table: SymbolTable | None = None,
        progress: bool = False,
    ) -> PhonemeAligner:
        """Learns the moments of phonemes.

        Args:
            features: of each recording, (features, frames), on one device.
            symbols: of each: phonemes, pauses, marks, and blanks where a pause may be.
            rounds: how often moments and alignments take turns.
            table: of phonemes without stress marks, if more are to be aligned than are in these recordings:
                what is not in them has the moments of all frames.
            progress: whether to show a progress bar, if there is a terminal.

        Raises:
            ImportError: `priordiff[audio]` is not installed.
            ValueError: there is no recording, or not as many as symbols, or `rounds` is not positive, or a
                recording has too few frames for its phonemes.
        """
        if not features or len(features) != len(symbols):
            raise ValueError(
                f"{len(features)} recordings and {len(symbols)} texts, expected as many, one at least"
            )
        if rounds < 1:
            raise ValueError(f"rounds={rounds}, expected at least 1")
        if table is None:
            table = cls.table_of(symbols)
        size = features[0].shape[0]
        scale = torch.cat([each.std(dim=1)[None] for each in features]).square().mean(dim=0).sqrt()
        moments = ClassMomentsEstimator(1 + _PARTS * len(table), (size,), _FLOOR).to(scale.device)
        aligner = cls(table, moments, scale.clamp(min=1e-6))
        labels = [aligner._equal_parts(each, said) for each, said in zip(features, symbols, strict=True)]
        bar = tqdm(total=rounds * len(features), desc="aligning", disable=None if progress else True)
        for _ in range(rounds):
            aligner._learn(features, labels)
            for index, (each, said) in enumerate(zip(features, symbols, strict=True)):
                labels[index] = aligner._labels(each, said)
                bar.update()
        bar.close()
        aligner._learn(features, labels)
        return aligner

    @staticmethod
    def table_of(symbols: Sequence[Sequence[str]]) -> SymbolTable:
        """The phonemes of texts, without stress marks, which move no boundary."""
        spoken = [[each.lstrip(STRESS_MARKS) for each in said if each not in SILENT] for said in symbols]
        return SymbolTable.of(spoken)

    @staticmethod
    def fewest_frames(symbols: Sequence[str]) -> int:
        """Frames that a recording needs for these symbols."""
        return sum(1 if symbol in SILENT else _PARTS for symbol in symbols if symbol != BLANK)

    def align(self, features: Tensor, symbols: Sequence[str]) -> FittedPhonemes:
        """Aligns the symbols of a recording.

        Args:
            features: (features, frames).
            symbols: phonemes, pauses, marks, and blanks where a pause may be.

        Raises:
            ImportError: `priordiff[audio]` is not installed.
            ValueError: the recording has too few frames for its phonemes, or one is not in the table.
        """
        likelihood = self._relative_likelihood(features)
        kept = self._without_short_pauses(likelihood, symbols)
        classes, owners = self._parts(symbols, kept)
        of_parts = _search(likelihood, classes)
        durations = torch.zeros(len(symbols), dtype=torch.int64).index_add(0, owners, of_parts)
        path = likelihood[torch.repeat_interleave(classes, of_parts), torch.arange(likelihood.shape[1])]
        return FittedPhonemes(durations, -float(path.mean()))

    def _learn(self, features: Sequence[Tensor], labels: Sequence[Tensor]) -> None:
        # Not `fit`, which waits for all processes: this may run in one alone.
        statistics = self.moments.new_statistics()
        for each, of_frames in zip(features, labels, strict=True):
            self.moments.observe(statistics, of_frames[None], (each / self.scale[:, None])[None])
        self.moments.conclude(statistics)

    def _labels(self, features: Tensor, symbols: Sequence[str]) -> Tensor:
        """The class of each frame in the likeliest alignment."""
        likelihood = self._relative_likelihood(features)
        classes, _ = self._parts(symbols, self._without_short_pauses(likelihood, symbols))
        return torch.repeat_interleave(classes, _search(likelihood, classes))

    def _relative_likelihood(self, features: Tensor) -> Tensor:
        """Log-likelihoods (classes, frames), on the CPU, relative to the likeliest of each frame."""
        likelihood = self.moments.log_likelihood((features / self.scale[:, None])[None])[0]
        return (likelihood - likelihood.amax(dim=0)).cpu()

    def _without_short_pauses(self, likelihood: Tensor, symbols: Sequence[str]) -> list[bool]:
        """Which symbols are there: all but the blanks that would be no pauses."""
        everything = [True] * len(symbols)
        if BLANK not in symbols:
            return everything
        classes, owners = self._parts(symbols, everything)
        if len(classes) > likelihood.shape[1]:  # no room for pauses
            return [symbol != BLANK for symbol in symbols]
        durations = torch.zeros(len(symbols), dtype=torch.int64)
        durations.index_add_(0, owners, _search(likelihood, classes))
        return [
            symbol != BLANK or duration >= _SHORTEST_PAUSE
            for symbol, duration in zip(symbols, durations.tolist(), strict=True)
        ]

    def _equal_parts(self, features: Tensor, symbols: Sequence[str]) -> Tensor:
        """The class of each frame if all phonemes were equally long, without pauses between words."""
        classes, _ = self._parts(symbols, [symbol != BLANK for symbol in symbols])
        frames = features.shape[1]
        _check_frames(len(classes), frames)
        return classes[torch.arange(frames) * len(classes) // frames]

    def _parts(self, symbols: Sequence[str], kept: Sequence[bool]) -> tuple[Tensor, Tensor]:
        """The classes of a sequence, and of which symbol each is a part."""
        classes: list[int] = []
        owners: list[int] = []
        phonemes = [symbol.lstrip(STRESS_MARKS) for symbol in symbols if symbol not in SILENT]
        encoded = iter(self.table.encode(phonemes).tolist())
        for owner, (symbol, is_kept) in enumerate(zip(symbols, kept, strict=True)):
            if symbol in SILENT:
                own = [0] if is_kept else []
            else:
                first = 1 + _PARTS * (next(encoded) - 1)
                own = [first + part for part in range(_PARTS)]
            classes += own
            owners += [owner] * len(own)
        return torch.tensor(classes, dtype=torch.int64), torch.tensor(owners, dtype=torch.int64)


def _check_frames(parts: int, frames: int) -> None:
    if parts > frames:
        raise ValueError(
            f"{parts} parts of phonemes in {frames} frames, expected a frame for each at least: is it the "
            "text of this recording?"
        )


def _search(likelihood: Tensor, classes: Tensor) -> Tensor:
    """Frames of each part, int64 (parts,)."""
    frames = likelihood.shape[1]
    _check_frames(len(classes), frames)
    lengths = torch.tensor([len(classes)]), torch.tensor([frames])
    return monotonic_durations(likelihood[classes][None], *lengths)[0]
