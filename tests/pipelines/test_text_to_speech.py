from __future__ import annotations

from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

pytest.importorskip("torchaudio")
pytest.importorskip("kitten_text_processing")

from priordiff import (
    EncodedTextEstimator,
    LappedConvNeXt,
    MelDiffWave,
    MelTransformer,
    PriorGradScheduler,
    TextEncoder,
    TextToSpeechPipeline,
    VocoderPipeline,
)
from priordiff.audio import spoken_text
from priordiff.audio.mel import log_mel_range

SYMBOLS = ["_", " ", ",", ".", "!", "h", "ə", "l", "ˈoʊ", "t", "ˈuː", "ð", "ˈɛɹ", "j", "uː"]
MEL = {"sample_rate": 8000, "n_fft": 64, "win_length": 64, "hop_length": 16, "f_max": 4000.0}


def make(
    num_speakers: int = 1, decoder: str = "diffusion", has_vocoder: bool = True, **options: object
) -> TextToSpeechPipeline:
    torch.manual_seed(1)
    encoder = TextEncoder(
        len(SYMBOLS), num_speakers, channels=8, layers=1, filter_channels=16, predictor_channels=8
    )
    torch.nn.init.constant_(encoder.duration_predictor.output.bias, 1.6)
    parts: dict[str, object] = {"decoder": MelTransformer(8, 8, layers=1, filter_channels=16)}
    if decoder == "diffusion":
        denoiser = MelDiffWave(8, 8, 8, 2)
        torch.nn.init.normal_(denoiser.output_projection.weight, std=0.3)
        scheduler = PriorGradScheduler(num_train_timesteps=50)
        estimator = EncodedTextEstimator(8, n_mels=8, learn_std=True)
        parts = {"decoder": denoiser, "scheduler": scheduler, "estimator": estimator}
    if has_vocoder:
        parts["vocoder_model"] = LappedConvNeXt(8, 1, n_mels=8, hop_length=16)
        parts["vocoder_scheduler"] = PriorGradScheduler()
    pipeline = TextToSpeechPipeline(
        encoder.eval(), **parts, symbols=SYMBOLS, mel=MEL, pitch_std=[0.2] * num_speakers, **options
    )
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("decoder", ["diffusion", "transformer"])
def test_a_text_becomes_a_waveform_with_its_mel_and_its_phonemes(decoder: str) -> None:
    output = make(decoder=decoder)("Hello there, you two!", seed=0)
    (audio,), (mel,), (phonemes,) = output.audios, output.mels, output.phonemes
    assert "".join(symbol for symbol, _ in phonemes) == "_həlˈoʊ ðˈɛɹ,juː tˈuː!"
    frames = sum(duration for _, duration in phonemes)
    assert mel.shape == (8, frames)
    assert audio.shape == (16 * frames,)
    assert output.sample_rate == 8000
    assert audio.isfinite().all()


def test_the_same_seed_gives_the_same_speech_alone_and_in_a_batch() -> None:
    pipeline = make()
    texts = ["Hello there.", "You two!"]
    together = pipeline(texts, seed=3)
    for index, text in enumerate(texts):
        assert torch.equal(pipeline(text, seed=3).audios[0], together.audios[index])
    assert not torch.equal(pipeline(texts[0], seed=4).audios[0], together.audios[0])
    assert not torch.equal(pipeline(texts[0]).audios[0], pipeline(texts[0]).audios[0])


def test_sentences_are_joined_with_pauses_and_streamed_one_by_one() -> None:
    pipeline = make()
    whole = pipeline("Hello there! Two.", seed=0, pause=0.5).audios[0]
    first, second = pipeline.stream("Hello there! Two.", seed=0)
    assert torch.equal(whole, torch.cat([first, torch.zeros(4000), second]))


def test_a_stream_reads_a_sentence_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    in_words = spoken_text.in_words
    monkeypatch.setattr(
        spoken_text, "in_words", lambda text, language: read.append(text) or in_words(text, language)
    )
    spoken = make().stream("Hello there! Two.", seed=0)
    next(spoken)
    assert read == ["Hello there!"]
    next(spoken)
    assert read == ["Hello there!", "Two."]
    with pytest.raises(ValueError, match="can be spoken"):
        next(make().stream("...", seed=0))


def test_phonemes_may_be_given() -> None:
    pipeline = make()
    spoken = [["_", "h", "ə", "l", "ˈoʊ", "."], ["_", "t", "ˈuː", "."]]
    by_text = pipeline(["Hello.", "Two."], seed=0)
    by_phonemes = pipeline(phonemes=spoken, seed=0)
    assert torch.equal(by_text.audios[1], by_phonemes.audios[1])
    assert torch.equal(pipeline(phonemes=spoken[0], seed=0).audios[0], by_phonemes.audios[0])


def test_texts_and_phonemes_may_come_from_a_generator_and_seeds_from_numpy() -> None:
    pipeline = make()
    expected = pipeline(["Hello.", "Two."], seed=3)
    texts = pipeline((text for text in ("Hello.", "Two.")), seed=np.int64(3))
    phonemes = pipeline(phonemes=(symbol for symbol in ("_", "t", "ˈuː", ".")), seed=3)
    assert torch.equal(texts.audios[0], expected.audios[0])
    assert torch.equal(phonemes.audios[0], expected.audios[1])


def test_speed_pitch_and_temperature_change_the_speech() -> None:
    pipeline = make()
    plain = pipeline("Hello there.", seed=0)
    fast = pipeline("Hello there.", seed=0, speed=2.0)
    assert 0.4 < fast.mels[0].shape[1] / plain.mels[0].shape[1] < 0.65
    assert not torch.equal(pipeline("Hello there.", seed=0, pitch_shift=4).mels[0], plain.mels[0])
    assert not torch.equal(pipeline("Hello there.", seed=0, temperature=0.5).mels[0], plain.mels[0])
    cold = [pipeline("Hello there.", seed=seed, temperature=0).mels[0] for seed in (0, 1)]
    assert torch.equal(*cold), "without noise, nothing differs"


def test_steps_and_solvers_may_be_chosen() -> None:
    pipeline = make(num_inference_steps=4, solver="ddim")
    four = pipeline("Hello.", seed=0).mels[0]
    assert torch.equal(pipeline("Hello.", seed=0, num_inference_steps=4, solver="ddim").mels[0], four)
    assert not torch.equal(pipeline("Hello.", seed=0, num_inference_steps=8).mels[0], four)
    assert not torch.equal(pipeline("Hello.", seed=0, solver="unipc").mels[0], four)


def test_a_decoder_that_is_no_diffusion_has_no_solver() -> None:
    with pytest.raises(ValueError, match="solver='ddim', but there is no scheduler"):
        make(decoder="transformer")(phonemes=["_", "h"], solver="ddim")
    with pytest.raises(ValueError, match="solver='ddim', but there is no scheduler"):
        make(decoder="transformer", solver="ddim")


def test_speakers_have_names_and_indices() -> None:
    pipeline = make(num_speakers=2, speakers=["anna", "bert"])
    first, second = (pipeline("Hello.", speaker=name, seed=0).mels[0] for name in ("anna", "bert"))
    assert first.shape != second.shape or not torch.equal(first, second)
    assert torch.equal(pipeline("Hello.", seed=0).mels[0], first)
    assert torch.equal(pipeline("Hello.", speaker=1, seed=0).mels[0], second)
    with pytest.raises(ValueError, match="speaker='carl', expected one of 'anna', 'bert'"):
        pipeline("Hello.", speaker="carl")


@pytest.mark.parametrize("decoder", ["diffusion", "transformer"])
def test_one_folder_holds_it_all(decoder: str, tmp_path: Path) -> None:
    pipeline = make(decoder=decoder, num_inference_steps=3, vocoder={"num_consistency_steps": 2})
    pipeline.save_pretrained(tmp_path)
    loaded = diffusers.DiffusionPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    assert type(loaded) is TextToSpeechPipeline
    expected = pipeline("Hello there.", seed=0)
    assert torch.equal(loaded("Hello there.", seed=0).audios[0], expected.audios[0])


def test_a_vocoder_can_be_given_afterwards(tmp_path: Path) -> None:
    whole = make(num_speakers=2, speakers=["anna", "bert"], num_inference_steps=3, solver="ddim")
    silent = make(
        num_speakers=2, speakers=["anna", "bert"], num_inference_steps=3, solver="ddim", has_vocoder=False
    )
    settings = {"num_inference_steps": 4, "solver": "unipc", "num_consistency_steps": 1}
    vocoder = VocoderPipeline(whole.vocoder_model, whole.vocoder_scheduler, mel=MEL, **settings)
    vocoder.set_progress_bar_config(disable=True)
    speaking = silent.with_vocoder(vocoder)
    output = speaking("Hello.", speaker="bert", seed=0)
    mel = silent("Hello.", speaker="bert", seed=0).mels[0]
    assert torch.equal(output.mels[0], mel)
    generator = torch.Generator().manual_seed(0)
    torch.randn(1, 8, mel.shape[1], generator=generator)  # what the frames were made of
    assert torch.equal(output.audios[0], vocoder(mel[None], generator=generator).audios[0])
    assert silent("Hello.", seed=0).audios is None, "itself it stays as it is"
    speaking.save_pretrained(tmp_path)
    loaded = TextToSpeechPipeline.from_pretrained(tmp_path)
    assert torch.equal(loaded("Hello.", speaker="bert", seed=0).audios[0], output.audios[0])


def test_a_vocoder_of_other_frames_is_refused() -> None:
    vocoder = VocoderPipeline(
        LappedConvNeXt(8, 1, n_mels=8, hop_length=32), PriorGradScheduler(), mel={**MEL, "hop_length": 32}
    )
    message = "with hop_length=32, but this pipeline makes them with hop_length=16: take a vocoder"
    with pytest.raises(ValueError, match=message):
        make().with_vocoder(vocoder)


def test_without_a_vocoder_there_are_mel_frames_alone() -> None:
    pipeline = make(has_vocoder=False)
    output = pipeline("Hello.", seed=0)
    assert output.audios is None
    assert output.sample_rate == 8000
    plain = TextToSpeechPipeline(
        TextEncoder(1, channels=8, layers=1), MelTransformer(8, 8, layers=1), symbols=["a"]
    )
    assert plain.sample_rate == 22050
    assert output.mels[0].shape[0] == 8
    with pytest.raises(ValueError, match="no vocoder"):
        next(pipeline.stream("Hello."))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one of text and phonemes"),
        ({"text": "a", "phonemes": ["t"]}, "exactly one of text and phonemes"),
        ({"text": "..."}, "can be spoken"),
        ({"text": ["two", 2]}, "text=2, expected a str"),
        ({"text": b"two"}, "text=b'two', expected a str"),
        ({"phonemes": []}, "phonemes is empty"),
        ({"phonemes": ["x"]}, "unknown phonemes x"),
        ({"text": "two", "speed": 0}, "speed=0"),
        ({"text": "two", "speed": 1e-9}, "speed=1e-09, expected 0.1 to 10"),
        ({"text": "two", "temperature": -1}, "temperature=-1"),
        ({"text": "two", "temperature": float("inf")}, "temperature=inf, expected 0 to 10"),
        ({"text": "two", "pitch_shift": float("nan")}, "pitch_shift=nan, expected -48 to 48"),
        ({"text": "two", "num_inference_steps": 51}, "num_inference_steps=51"),
        ({"text": "two", "num_inference_steps": 0}, "num_inference_steps=0"),
        ({"text": "two", "num_inference_steps": 2.0}, "num_inference_steps=2.0, expected 1 to"),
        ({"text": "two", "seed": 2**64}, "seed=18446744073709551616, expected an integer of 64 bits"),
        ({"text": "two", "pause": -1.0}, "pause=-1.0"),
        ({"text": "two", "solver": "rk4"}, "solver='rk4'"),
        ({"text": "two", "pause": 1e9}, "pause=1000000000.0, expected 0 to 60"),
        ({"text": "two", "speaker": 1}, "speaker=1, but there is one speaker, who has no name"),
    ],
)
def test_what_does_not_fit_is_an_error_in_one_line(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        make()(**arguments)
    assert "\n" not in str(error.value)


def test_parts_that_do_not_fit_are_named() -> None:
    encoder = TextEncoder(3, channels=8, layers=1, filter_channels=16)
    decoder = MelTransformer(8, 8, layers=1)
    with pytest.raises(ValueError, match="symbols has 2 phonemes, but the encoder num_symbols=3"):
        TextToSpeechPipeline(encoder, decoder, symbols=["a", "b"])
    with pytest.raises(ValueError, match="scheduler is missing, but the decoder is a denoiser"):
        TextToSpeechPipeline(encoder, MelDiffWave(8, 8, 8, 2), symbols=["a", "b", "c"])
    with pytest.raises(ValueError, match="2 speakers and 1 pitch_std, but the encoder has num_speakers=1"):
        TextToSpeechPipeline(encoder, decoder, symbols=["a", "b", "c"], speakers=["x", "y"])
    with pytest.raises(ValueError, match="mel has n_mels=9, but the model n_mels=8"):
        TextToSpeechPipeline(encoder, decoder, symbols=["a", "b", "c"], mel={"n_mels": 9})
    with pytest.raises(ValueError, match="channels=8, but the decoder condition_channels=16"):
        TextToSpeechPipeline(encoder, MelTransformer(8, 16, layers=1), symbols=["a", "b", "c"])


def test_frames_are_such_as_a_recording_may_have() -> None:
    # Random networks and much noise make others; the vocoder would warn of them.
    pipeline = make()
    (mel,) = pipeline("hello you", seed=0, temperature=10).mels
    low, high = log_mel_range(MEL)
    assert (mel.min().item(), mel.max().item()) == pytest.approx((low, high))
