"""What is found once for each whole recording and kept, where each crop of it would cost a network's pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import PartialState
from torch import Tensor

from priordiff import LearnedMelSpectrumEstimator
from priordiff.audio import AudioCorpus
from priordiff.corpora import CorpusCache, MappedArray, decode_into, fingerprint
from priordiff.experiments import weights_fingerprint
from priordiff.experiments.speech import MelConfig
from priordiff.pipelines.local_operations import applied

__all__ = ["KeptFrames"]

# Of what is written.
_VERSION = 1
# The frames that pass the network at once: 23 seconds at the usual hop.
_PIECE = 2000


class KeptFrames:
    """The mel frames of whole recordings and the priors that an estimator finds in them, in a file.

    The priors are those with which the vocoder is used; in a crop alone, the estimator would see nothing
    beyond its ends. Each frame takes `n_mels + hop_length` numbers of four bytes, 1.3 times what its samples
    take. Found by the main process, while the others wait, they are used again as long as recordings, mel and
    estimator are the same.

    Args:
        corpus: the recordings.
        whole: log-mel (1, n_mels, frames) and waveform of a recording, by its number.
        mel: the arguments of that spectrogram.
        estimator: which has been trained.
        folder: of the file, for this estimator alone; made if missing.

    Raises:
        OSError: if the file can't be written; nothing is half-written.
    """

    def __init__(
        self,
        corpus: AudioCorpus,
        whole: Callable[[int], tuple[Tensor, Tensor]],
        mel: MelConfig,
        estimator: LearnedMelSpectrumEstimator,
        folder: Path,
    ) -> None:
        self.n_mels = mel.n_mels
        made_from = [corpus.identity, asdict(mel), weights_fingerprint(estimator.state_dict())]
        cache = CorpusCache(folder, fingerprint(_VERSION, made_from), "frames.f32")
        state = PartialState()
        with state.main_process_first():
            found = cache.read() or _find(len(corpus), whole, estimator, cache, state)
        self._offsets: list[int] = found["offsets"]
        self._frames = MappedArray(cache.data_path, "float32", (mel.n_mels + mel.hop_length,))

    def crop(self, index: int, first: int, frames: int) -> tuple[Tensor, Tensor]:
        """Some frames of a recording: log-mel (n_mels, frames), and σ of its `LappedPrior` (1, frames, hop).

        Args:
            index: of the recording.
            first: of its frames.
            frames: how many.
        """
        start = self._offsets[index] + first
        kept = torch.from_numpy(self._frames.items[start : start + frames].copy())
        return kept[:, : self.n_mels].T, kept[None, :, self.n_mels :]


def _find(
    count: int,
    whole: Callable[[int], tuple[Tensor, Tensor]],
    estimator: LearnedMelSpectrumEstimator,
    cache: CorpusCache,
    state: PartialState,
) -> dict[str, list[int]]:
    """Fills the cache; returns the number of each recording's first frame in it."""
    estimator = estimator.to(state.device)
    offsets, total = [], 0

    def frames(index: int) -> bytes:
        nonlocal total
        (seen,) = whole(index)[0].to(state.device)
        found = torch.cat([seen, _deviations(estimator, seen)]).T
        offsets.append(total)
        total += len(found)
        return found.cpu().numpy().tobytes()

    for problem in decode_into(cache, range(count), frames, "finding priors", state.is_main_process):
        raise ValueError(problem)  # every recording has been read before: none may be left out
    content = {"offsets": offsets}
    cache.write_index(content, [])
    return content


@torch.no_grad()
def _deviations(estimator: LearnedMelSpectrumEstimator, log_mel: Tensor) -> Tensor:
    """σ (hop, frames) of the prior of log-mel frames (n_mels, frames), found piece by piece."""

    def find(seen: Tensor, number: int) -> Tensor:
        return estimator(seen[None]).std[0, 0].T

    return torch.cat(list(applied(find, log_mel.split(_PIECE, -1), estimator.margin_frames)), -1)
