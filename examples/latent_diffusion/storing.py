"""What is encoded once for all models, kept in files that are mapped into memory."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from diffusers import AutoencoderKL
from torch import Tensor

from priordiff.corpora import CorpusCache, MappedArray, decode_into, fingerprint
from priordiff.estimators.statistics import Moments
from priordiff.experiments import weights_fingerprint

__all__ = ["Store", "as_tensor"]

_logger = logging.getLogger(__name__)

# Of what is written.
_VERSION = 1
_BATCH = 64


class Store:
    """A folder of encoded images: each array has a folder in it, with its numbers, as float32, and an index.

    The index tells the shape of an item, mean and standard deviation of all numbers, and the `shift_factor`
    and `scaling_factor` of the autoencoder that they were encoded with. An array is used again as long as
    what it was made from is the same, the autoencoder's weights included.

    Args:
        folder: for this experiment alone; made when the first array is.
        vae: the autoencoder; None for pixels.
    """

    def __init__(self, folder: Path, vae: AutoencoderKL | None) -> None:
        self.folder = folder
        self._space = None if vae is None else _identity(vae)
        self._scale = (
            {} if vae is None else {name: vae.config[name] for name in ("shift_factor", "scaling_factor")}
        )

    def array(
        self, name: str, made_from: Any, count: int, encode: Callable[[list[int]], Tensor]
    ) -> MappedArray:
        """An array, encoded batch by batch if it is not there: by the main process, while the others wait.

        All processes are to ask for the same arrays in the same order.

        Args:
            name: of its folder.
            made_from: anything that JSON can hold and that changes when its content does, besides the
                autoencoder.
            count: of its items.
            encode: from indices of items to the items (batch, …), on the CPU.

        Raises:
            OSError: if it can't be written; nothing is half-written.
        """
        cache = CorpusCache(self.folder / name, fingerprint(_VERSION, self._space, made_from), "numbers.f32")
        state = PartialState()
        with state.main_process_first():
            content = cache.read() or self._fill(cache, count, encode, state.is_main_process)
        return MappedArray(cache.data_path, "float32", tuple(content["shape"]))

    def _fill(
        self, cache: CorpusCache, count: int, encode: Callable[[list[int]], Tensor], progress: bool
    ) -> dict[str, Any]:
        moments, shape = Moments(), torch.Size()

        def encoded(rows: Tensor) -> bytes:
            nonlocal shape
            batch = encode(rows.tolist()).float()
            shape = batch.shape[1:]
            moments.update(batch.reshape(-1, 1))
            return batch.numpy().tobytes()

        batches = torch.arange(count).split(_BATCH)
        for problem in decode_into(cache, batches, encoded, f"encoding {cache.folder.name}", progress):
            raise ValueError(problem)  # every image has been read before: none may be left out
        mean, std = float(moments.mean), float(moments.variance()) ** 0.5
        content = {"shape": list(shape), "mean": mean, "std": std, **self._scale}
        cache.write_index(content, [])
        _logger.info(
            "%s: %s images, mean %.3f, standard deviation %.3f", cache.folder, f"{count:,}", mean, std
        )
        return content


def as_tensor(array: MappedArray) -> Tensor:
    """The numbers of a file, of which no more is read than is asked for, not to be written into."""
    with warnings.catch_warnings():
        # Mapped for writing, a file would need as much memory as it has bytes.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array.items)


def _identity(vae: AutoencoderKL) -> str:
    """A hash of an autoencoder's configuration and weights."""
    # Names that begin with _ say where it was saved, and by which version.
    config = {name: value for name, value in vae.config.items() if not name.startswith("_")}
    return fingerprint(json.dumps(config, sort_keys=True, default=str), weights_fingerprint(vae.state_dict()))
