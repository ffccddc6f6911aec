"""Speech by espeak-ng: a waveform, and the sample at which each of its phonemes begins."""

from __future__ import annotations

import _ctypes
import ctypes
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from priordiff._extra import require
from priordiff.audio.pauses import PAUSE
from priordiff.audio.utterance import Utterance

__all__ = ["international_phonemes", "separate_phonemes", "speak"]

# Constants of espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 0x0001
_INITIALIZE_PHONEMES_IN_IPA = 0x0002
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_PHONEMES_IPA = 0x02
_SEPARATOR = "_"
_LANGUAGE_SWITCH = re.compile(r"\([\w-]+\)")  # around a foreign word
_RATE, _PITCH = 1, 3
_EVENT_LIST_TERMINATED, _EVENT_PHONEME = 0, 7

_lock = threading.Lock()


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_void_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_SynthCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def speak(text: str, voice: str = "en-us", rate: int = 175, pitch: int = 50) -> Utterance:
    """Speaks a text with espeak-ng; equal arguments give equal samples, whatever was spoken before.

    Args:
        text: any text in the voice's language.
        voice: a voice of espeak-ng with an optional variant, such as `"en-us"`, `"en"` (British) or
            `"en-us+f3"`.
        rate: words per minute, 80 to 450.
        pitch: 0 to 100, around the voice's own.

    Returns:
        The speech at espeak-ng's rate of 22,050 Hz, with its phonemes; all pauses are `"_"`.

    Raises:
        ImportError: `espeakng-loader` is not installed.
        ValueError: the voice is unknown, rate or pitch is out of range, or the text holds nothing to speak.

    Example:
        >>> utterance = speak("Hello.")
        >>> utterance.sample_rate
        22050
        >>> [symbol for symbol, start in utterance.phonemes]
        ['_', 'h', 'ə', 'l', 'ˈoʊ', '_']
    """
    if not 80 <= rate <= 450:
        raise ValueError(f"a speaking rate of {rate} is out of range: use 80 to 450 words per minute")
    if not 0 <= pitch <= 100:
        raise ValueError(f"a pitch of {pitch} is out of range: use 0 to 100")
    chunks: list[np.ndarray] = []
    events: list[tuple[str, int]] = []

    @_SynthCallback
    def collect(samples: Any, count: int, event: Any) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        while event[0].type != _EVENT_LIST_TERMINATED:
            if event[0].type == _EVENT_PHONEME:
                symbol = event[0].id.string.decode("utf-8", "replace")
                # Pauses of several lengths have mnemonics of their own; their length is in the samples
                # already.
                events.append((PAUSE if symbol.startswith("_") or not symbol else symbol, event[0].sample))
            event = ctypes.cast(ctypes.byref(event[0], ctypes.sizeof(_Event)), ctypes.POINTER(_Event))
        return 0

    encoded = text.encode()
    with _library(voice) as (library, sample_rate):
        library.espeak_SetSynthCallback(collect)
        library.espeak_ng_SetRandSeed(ctypes.c_long(0))
        library.espeak_SetParameter(_RATE, rate, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        library.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _CHARS_UTF8, None, None)
    if all(symbol == PAUSE for symbol, _ in events):
        raise ValueError(f"espeak-ng finds nothing to speak in {text!r}")
    waveform = torch.from_numpy(np.concatenate(chunks).astype(np.float32) / 32768)
    return Utterance(waveform, sample_rate, _sounding(events, len(waveform)))


def international_phonemes(text: str, voice: str = "en-us") -> str:
    """What espeak-ng would say, in the International Phonetic Alphabet, with stress marks in front of vowels.

    Args:
        text: without punctuation that divides it into clauses: the marks themselves are dropped.
        voice: a voice of espeak-ng, whose language and accent count.

    Raises:
        ImportError: `espeakng-loader` is not installed.
        ValueError: the voice is unknown.

    Example:
        >>> international_phonemes("hello there")
        'həlˈoʊ ðˈɛɹ'
    """
    return " ".join("".join(word) for word in separate_phonemes(text, voice))


def separate_phonemes(text: str, voice: str = "en-us") -> list[list[str]]:
    """What espeak-ng would say, word by word, as the phonemes that [`speak`][priordiff.audio.speak] tells of.

    Args:
        text: as in `international_phonemes`.
        voice: a voice of espeak-ng, whose language and accent count.

    Raises:
        ImportError: `espeakng-loader` is not installed.
        ValueError: the voice is unknown.

    Example:
        >>> separate_phonemes("hello there")
        [['h', 'ə', 'l', 'ˈoʊ'], ['ð', 'ˈɛɹ']]
    """
    words: list[list[str]] = []
    with _library(voice) as (library, _):
        library.espeak_TextToPhonemes.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        rest = ctypes.c_char_p(text.encode())
        mode = _PHONEMES_IPA | ord(_SEPARATOR) << 8
        while rest.value:  # each call says a clause, and moves on
            clause = library.espeak_TextToPhonemes(ctypes.byref(rest), _CHARS_UTF8, mode).decode()
            plain = _LANGUAGE_SWITCH.sub("", clause)
            words += [[phoneme for phoneme in word.split(_SEPARATOR) if phoneme] for word in plain.split()]
    return [word for word in words if word]


@contextmanager
def _library(voice: str) -> Iterator[tuple[ctypes.CDLL, int]]:
    """espeak-ng with one of its voices, and its sample rate.

    The synthesiser keeps state that its own espeak_Terminate does not reset (its flutter and noise run on):
    only a library that was loaded afresh speaks the same words in the same samples each time.
    """
    espeakng_loader = require("espeakng_loader", "audio")
    data_path = Path(espeakng_loader.get_data_path())
    with _lock:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        try:
            options = _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_PHONEMES_IN_IPA | _INITIALIZE_DONT_EXIT
            sample_rate = library.espeak_Initialize(
                _AUDIO_OUTPUT_SYNCHRONOUS, 0, str(data_path).encode(), options
            )
            if sample_rate <= 0:
                raise OSError(
                    f"espeak-ng cannot start with its data in {data_path}: reinstall espeakng-loader"
                )
            _set_voice(library, voice, data_path)
            yield library, sample_rate
        finally:
            library.espeak_Terminate()
            _unload(library)


def _set_voice(library: ctypes.CDLL, voice: str, data_path: Path) -> None:
    _, _, variant = voice.partition("+")
    # espeak-ng ignores a variant that it does not know.
    variant_known = not variant or (data_path / "voices" / "!v" / variant).is_file()
    if not variant_known or library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {voice!r}: use one such as 'en-us', 'en' or 'en-us+f3'")


def _unload(library: ctypes.CDLL) -> None:
    if hasattr(_ctypes, "FreeLibrary"):
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)


def _sounding(events: list[tuple[str, int]], num_samples: int) -> list[tuple[str, int]]:
    """The phonemes that last at least one sample, pauses joined, with a pause for what precedes the first."""
    phonemes: list[tuple[str, int]] = []
    for (symbol, start), end in zip(
        [(PAUSE, 0), *events], [start for _, start in events] + [num_samples], strict=True
    ):
        is_repeated_pause = symbol == PAUSE and phonemes and phonemes[-1][0] == PAUSE
        if start < min(end, num_samples) and not is_repeated_pause:
            phonemes.append((symbol, start))
    return phonemes
