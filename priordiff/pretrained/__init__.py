"""Models that come with the package, ready to be used."""

from __future__ import annotations

from pathlib import Path

from diffusers import AutoencoderKL

from priordiff.pipelines import ImagePipeline, TextToSpeechPipeline, VocoderPipeline
from priordiff.pipelines.loading import align_memory, load_pipeline

__all__ = ["pretrained_autoencoder", "pretrained_images", "pretrained_vocoder", "pretrained_voice"]

_FOLDER = Path(__file__).parent


def pretrained_autoencoder() -> AutoencoderKL:
    """The autoencoder that comes with the package: drawings of 64 × 64 pixels to latents of 4 × 16 × 16.

    It has learned OpenMoji's coloured drawings. Its weights are stored in half precision, and computed with
    in float32.

    Example:
        >>> import torch
        >>> vae = pretrained_autoencoder()
        >>> vae.encode(torch.ones(1, 3, 64, 64)).latent_dist.mode().shape
        torch.Size([1, 4, 16, 16])
    """
    vae = AutoencoderKL.from_pretrained(_FOLDER / "autoencoder", low_cpu_mem_usage=False)
    align_memory(vae)
    return vae.float().eval()


def pretrained_images() -> ImagePipeline:
    """The model of images that comes with the package: drawings of 119 classes, 64 × 64 pixels.

    [How it was trained, and how good it is](../examples/latent-diffusion.md#drawings-from-the-package).
    Its latents are those of `pretrained_autoencoder`. Its weights are stored in half precision, and computed
    with in float32.

    Example:
        >>> import torch
        >>> drawings = pretrained_images()
        >>> drawings.set_progress_bar_config(disable=True)
        >>> [image] = drawings("country-flag", generator=torch.Generator().manual_seed(0)).images
        >>> image.size
        (64, 64)
    """
    return load_pipeline(ImagePipeline, _FOLDER / "images", vae=pretrained_autoencoder())


def pretrained_vocoder() -> VocoderPipeline:
    """The vocoder that comes with the package: log-mel frames to natural speech at 22,050 Hz.

    [How it was trained, and how good it is](../examples/vocoder.md#a-natural-voice). Its weights are stored
    in half precision, and computed with in float32.

    Example:
        >>> import torch
        >>> vocoder = pretrained_vocoder()
        >>> vocoder.set_progress_bar_config(disable=True)
        >>> tone = 0.1 * torch.sin(0.1 * torch.arange(2560))
        >>> vocoder(waveform=tone[None], generator=torch.Generator().manual_seed(0)).audios.shape
        torch.Size([1, 2560])
    """
    return load_pipeline(VocoderPipeline, _FOLDER / "vocoder")


def pretrained_voice() -> TextToSpeechPipeline:
    """The voice that comes with the package: text to speech, with the vocoder of `pretrained_vocoder`.

    [How it was trained, and how good it is](../examples/acoustic.md#a-natural-voice).
    Its weights are stored in half precision, and computed with in float32.

    Raises:
        FileNotFoundError: if this version of the package has no voice.

    Example:
        >>> voice = pretrained_voice()
        >>> speech = voice("Hello, you two!", seed=0).audios[0]
        >>> 0.5 < len(speech) / voice.sample_rate < 3
        True
    """
    folder = _FOLDER / "acoustic"
    if not (folder / "model_index.json").is_file():
        raise FileNotFoundError(
            "this version of priordiff comes without a voice: train one with examples/acoustic, and give its "
            "folder to TextToSpeechPipeline.from_pretrained, or to priordiff say as --model"
        )
    return load_pipeline(TextToSpeechPipeline, folder).with_vocoder(pretrained_vocoder())
