"""Pipelines of diffusers that do part of their scheduler's work themselves, where no prior reaches."""

from __future__ import annotations

__all__ = ["BY_HAND", "part_done_by_hand"]

_FORWARD_PROCESS = "adds white noise to what it is given itself, in place of the scheduler's forward process"
_SOLVER = "takes the solver's steps itself, with formulas for white noise"
_INVERSION = "finds its noise with an inverse scheduler, which has no prior"
_SCALING = "scales states and what the network says of them itself, by the scheduler's noise levels"
_VELOCITY = "computes velocities from states itself, which a mean other than 0 makes wrong"
_GIVEN_FRAMES = "mixes what it is given with white noise itself, in one tensor that apply_prior would colour"
_TWO_MODALITIES = "denoises a second modality with a copy of the scheduler and its prior, from white noise"
_OTHER_TENSOR = "prepares the image before the noise, so that apply_prior would colour the image"

# By the name of the class; those that derive from it are meant, too.
BY_HAND = {
    "AudioDiffusionPipeline": "encodes with a solver's steps of its own, with formulas for white noise",
    "ChronoEditPipeline": "cuts frames out of what the solver remembers, which is white",
    "Cosmos2TextToImagePipeline": _SCALING,
    "Cosmos2VideoToWorldPipeline": _SCALING,
    "Cosmos2_5_PredictBasePipeline": _VELOCITY,
    "Cosmos2_5_TransferPipeline": _VELOCITY,
    "Cosmos3OmniPipeline": _TWO_MODALITIES,
    "CosmosTextToWorldPipeline": _SCALING,
    "CosmosVideoToWorldPipeline": _SCALING,
    "CycleDiffusionPipeline": _SOLVER,
    "HeliosPyramidPipeline": _FORWARD_PROCESS,
    "HunyuanVideoImageToVideoPipeline": _GIVEN_FRAMES,
    "JoyImageEditPlusPipeline": _GIVEN_FRAMES,
    "Kandinsky5I2IPipeline": _GIVEN_FRAMES,
    "Kandinsky5I2VPipeline": _GIVEN_FRAMES,
    "Kandinsky5T2VPipeline": _GIVEN_FRAMES,
    "Kandinsky6SRPipeline": _FORWARD_PROCESS,
    "Kandinsky6TI2VAPipeline": _TWO_MODALITIES,
    "KandinskyImg2ImgPipeline": _FORWARD_PROCESS,
    "LEditsPPPipelineStableDiffusion": _SOLVER,
    "LEditsPPPipelineStableDiffusionXL": _SOLVER,
    "LTX2ConditionPipeline": _TWO_MODALITIES,
    "LTX2DFRPipeline": _TWO_MODALITIES,
    "LTX2DFRTemporalRefinePipeline": _TWO_MODALITIES,
    "LTX2HDRPipeline": _TWO_MODALITIES,
    "LTX2ImageToVideoPipeline": _TWO_MODALITIES,
    "LTX2InContextPipeline": _TWO_MODALITIES,
    "LTX2Pipeline": _TWO_MODALITIES,
    "LTXConditionPipeline": _GIVEN_FRAMES,
    "LTXI2VLongMultiPromptPipeline": _GIVEN_FRAMES,
    "LTXImageToVideoPipeline": _GIVEN_FRAMES,
    "MarigoldDepthPipeline": _OTHER_TENSOR,
    "MarigoldIntrinsicsPipeline": _OTHER_TENSOR,
    "MarigoldNormalsPipeline": _OTHER_TENSOR,
    "PRXPixelPipeline": _VELOCITY,
    "SanaImageToVideoPipeline": _GIVEN_FRAMES,
    "SanaSprintImg2ImgPipeline": _FORWARD_PROCESS,
    "SanaWMLTX2Refiner": _FORWARD_PROCESS,
    "SanaWMPipeline": _GIVEN_FRAMES,
    "StableAudio3AudioToAudioPipeline": _FORWARD_PROCESS,
    "StableDiffusionDiffEditPipeline": _INVERSION,
    "StableDiffusionLatentUpscalePipeline": _SCALING,
    "StableDiffusionParadigmsPipeline": "draws the noise of a stochastic solver's steps itself",
    "StableDiffusionPix2PixZeroPipeline": _INVERSION,
    "StableDiffusionSAGPipeline": "computes x₀ and noised states itself where sag_scale > 0",
    "TextToVideoZeroPipeline": _FORWARD_PROCESS,
    "TextToVideoZeroSDXLPipeline": _FORWARD_PROCESS,
}


def part_done_by_hand(pipeline_class: type) -> str | None:
    """What pipelines of a class do in place of their scheduler; None if that is nothing known.

    Args:
        pipeline_class: a class of pipelines.
    """
    return next((BY_HAND[each.__name__] for each in pipeline_class.__mro__ if each.__name__ in BY_HAND), None)
