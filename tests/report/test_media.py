import io
import sys
import wave

import numpy as np
import pytest
import torch
from PIL import Image

from priordiff.report import image_png, spectrogram_png, wav_bytes


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_a_spectrogram_has_low_bands_below_and_bright_for_loud():
    loud_below = np.zeros((80, 100))
    loud_below[:40] = 1
    picture = pixels(spectrogram_png(loud_below)).sum(-1)
    assert picture[-1].min() > 600
    assert picture[0].max() < 50


def test_a_range_makes_pictures_comparable():
    quiet, loud = torch.zeros(80, 100), torch.ones(80, 100)
    assert spectrogram_png(quiet) == spectrogram_png(loud)
    assert pixels(spectrogram_png(quiet, 0, 1)).mean() < pixels(spectrogram_png(loud, 0, 1)).mean()


def test_values_outside_the_range_are_clipped_to_it():
    assert spectrogram_png(torch.full((8, 8), 9.0), 0, 1) == spectrogram_png(torch.ones(8, 8), 0, 1)


def test_an_image_keeps_its_pixels():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3))
    np.testing.assert_array_equal(pixels(image_png(image / 255)), image)


def test_a_wav_file_holds_the_clipped_waveform_in_16_bits():
    with wave.open(io.BytesIO(wav_bytes(torch.tensor([0.0, 0.5, -1.0, 2.0]), 16000))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        samples = np.frombuffer(file.readframes(4), "<i2")
    assert samples.tolist() == [0, 16384, -32767, 32767]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: spectrogram_png(np.zeros((2, 3, 4))), r"\(2, 3, 4\): expected \(bands, frames\)"),
        (lambda: spectrogram_png(np.full((2, 3), np.nan)), "NaN"),
        (lambda: spectrogram_png(np.zeros((2, 3)), 1.0, 0.0), "low=1.0 is above high=0.0"),
        (lambda: image_png(np.zeros((2, 3, 4))), "expected .height, width"),
        (lambda: wav_bytes(np.zeros((2, 3)), 16000), "one channel"),
        (lambda: wav_bytes(np.zeros(0), 16000), "empty"),
    ],
)
def test_bad_arrays_are_named_in_one_line(make, match):
    with pytest.raises(ValueError, match=match) as error:
        make()
    assert "\n" not in str(error.value)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"priordiff\[train\]"):
        spectrogram_png(np.zeros((2, 3)))
