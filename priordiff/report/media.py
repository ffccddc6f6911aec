"""Pictures and sound as bytes that a page can carry."""

from __future__ import annotations

import base64
import io
import wave
from typing import Any

import numpy as np
from torch import Tensor

__all__ = ["data_uri", "heatmap_png", "image_png", "spectrogram_png", "wav_bytes"]

# Twice the size at which a gallery shows it on a desktop, for screens of high resolution.
_SPECTROGRAM_SIZE = (480, 240)
_BILINEAR = 2  # of Pillow's filters


def spectrogram_png(
    log_magnitude: np.ndarray | Tensor, low: float | None = None, high: float | None = None
) -> bytes:
    """Draws a spectrogram: time to the right, frequency upwards, louder is brighter.

    Args:
        log_magnitude: (bands, frames), such as a log-mel spectrogram, band 0 the lowest.
        low: the value drawn black, the smallest one by default. Give pictures to be compared the same range.
        high: the value drawn white, the largest one by default.

    Returns:
        A PNG file of 480 × 240 pixels.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the array is not two-dimensional, is empty or holds NaN, or `low` is above `high`.

    Example:
        >>> png = spectrogram_png(np.random.randn(80, 200), low=-2.0, high=2.0)
        >>> png[1:4]
        b'PNG'
    """
    values = _finite(log_magnitude, "log_magnitude")
    if values.ndim != 2:
        raise ValueError(f"log_magnitude has shape {values.shape}: expected (bands, frames)")
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    if low > high:
        raise ValueError(f"low={low} is above high={high}: give a range from quiet to loud")
    # Resized while its pixels are still loudness: interpolated colours would lie off the scale.
    picture = _picture(_scaled(values[::-1], low, high))
    return _encode(_coloured(picture.resize(_SPECTROGRAM_SIZE, _BILINEAR)))


def heatmap_png(values: np.ndarray | Tensor, low: float = 0.0, high: float = 1.0, at_least: int = 1) -> bytes:
    """Draws numbers as colours whose steps are seen as equal: larger is brighter.

    Args:
        values: (height, width).
        low: the value drawn black.
        high: the value drawn lightest, above `low`.
        at_least: pixels of the shorter side; smaller arrays are enlarged, each value to a square.

    Returns:
        A PNG file.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the array is not two-dimensional, is empty or holds NaN, or `low` is not below `high`.

    Example:
        >>> png = heatmap_png(np.random.rand(16, 16), high=2.0, at_least=128)
        >>> png[1:4]
        b'PNG'
    """
    array = _finite(values, "values")
    if array.ndim != 2:
        raise ValueError(f"values have shape {array.shape}: expected (height, width)")
    if not low < high:
        raise ValueError(f"low={low} is not below high={high}: give a range of values")
    return _encode(_coloured(_picture(_enlarged(_scaled(array, low, high), at_least))))


def image_png(image: np.ndarray | Tensor, at_least: int = 1) -> bytes:
    """Encodes a picture.

    Args:
        image: (height, width) grey or (height, width, 3) RGB, values 0 to 1 (clipped).
        at_least: pixels of the shorter side; smaller pictures are enlarged, each pixel to a square.

    Returns:
        A PNG file of width × height pixels, or a multiple of them.

    Raises:
        ImportError: pillow, which comes with matplotlib, is not installed.
        ValueError: the shape is another, or the array is empty or holds NaN.

    Example:
        >>> png = image_png(np.random.rand(32, 32, 3))
        >>> png[1:4]
        b'PNG'
    """
    values = _finite(image, "image")
    if values.ndim != 2 and not (values.ndim == 3 and values.shape[2] == 3):
        raise ValueError(f"image has shape {values.shape}: expected (height, width) or (height, width, 3)")
    return _encode(_picture(_enlarged(values, at_least)))


def wav_bytes(waveform: np.ndarray | Tensor, sample_rate: int) -> bytes:
    """Encodes a waveform as a WAV file of 16 bits and one channel.

    Args:
        waveform: (N,), full scale ±1 (clipped).
        sample_rate: in Hz.

    Raises:
        ValueError: the waveform is not one channel, is empty or holds NaN.

    Example:
        >>> len(wav_bytes(np.zeros(22050), 22050))
        44144
    """
    values = _finite(waveform, "waveform")
    if values.ndim != 1:
        raise ValueError(f"waveform has shape {values.shape}: expected one channel, (N,)")
    samples = np.round(values.clip(-1, 1) * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def data_uri(content: bytes, media_type: str) -> str:
    """Writes a file's content as an address that carries it.

    Example:
        >>> data_uri(b"hello", "text/plain")
        'data:text/plain;base64,aGVsbG8='
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _finite(array: np.ndarray | Tensor, name: str) -> np.ndarray:
    values = array.detach().cpu().double().numpy() if isinstance(array, Tensor) else np.asarray(array, float)
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError(
            f"{name} of shape {values.shape} is empty or holds NaN or infinity: expected numbers"
        )
    return values


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return (values - low) / max(high - low, 1e-12)


def _enlarged(values: np.ndarray, at_least: int) -> np.ndarray:
    factor = -(-at_least // min(values.shape[:2]))
    return values.repeat(factor, 0).repeat(factor, 1) if factor > 1 else values


def _picture(unit_values: np.ndarray) -> Any:
    """Grey or RGB, of Pillow."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"pictures need pillow ({error}): pip install 'priordiff[train]'") from error
    return Image.fromarray(np.round(unit_values.clip(0, 1) * 255).astype(np.uint8))


def _coloured(picture: Any) -> Any:
    """A grey one in the colours of matplotlib's magma."""
    try:
        from matplotlib import colormaps
    except ImportError as error:
        raise ImportError(f"pictures need matplotlib ({error}): pip install 'priordiff[train]'") from error
    picture.putpalette(colormaps["magma"](np.arange(256), bytes=True)[:, :3].tobytes())
    return picture


def _encode(picture: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
