"""Images from a class, a text, another image or nothing, in latents or pixels."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Optional

import numpy as np
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, ImagePipelineOutput, ModelMixin, SchedulerMixin
from diffusers.image_processor import VaeImageProcessor
from torch import Tensor

from priordiff.estimators import PriorEstimator
from priordiff.pipelines.chosen_scheduler import ChoosesScheduler
from priordiff.pipelines.image_arguments import (
    check_image,
    checked_generator,
    checked_guidance,
    label_indices,
    size_of_batch,
    text_embeddings,
)
from priordiff.pipelines.image_conditioning import Conditioning
from priordiff.pipelines.image_inpainting import encode_seen, filled, given_mask
from priordiff.pipelines.image_restoration import check_restoration, given_images, given_size
from priordiff.pipelines.image_sampling import STEP_TENSORS, sample_images
from priordiff.pipelines.latents import LatentSpace
from priordiff.pipelines.loading import align_memory
from priordiff.pipelines.solvers import taking_prior, with_solver
from priordiff.pipelines.step_callback import StepCallback, StepFunction

__all__ = ["ImagePipeline"]


class ImagePipeline(ChoosesScheduler, DiffusionPipeline):
    r"""Images by a diffusion that starts from the prior of what they are conditioned on.

    Latent diffusion (Rombach et al., CVPR 2022) where there is an autoencoder, DDPM (Ho et al., NeurIPS 2020)
    in pixels where there is none, each from $N(\mu(c), \Sigma(c))$.

    Under classifier-free guidance (Ho and Salimans, 2022) with a scale $w$ the network is called with the
    conditioning and without its class and text, under the same prior, and the two predictions are combined as
    $\hat v_\varnothing + w\,(\hat v_c - \hat v_\varnothing)$.

    Args:
        unet: the denoiser, `UNet2DModel`, `UNet2DConditionModel` or `DiTTransformer2DModel`, with
            `sample_size` in its configuration. Guidance needs one more class than there are names.
        scheduler: any of diffusers; in place of one that takes no prior comes its sibling by `with_prior`.
        vae: the autoencoder; None for a diffusion in pixels.
        estimator: conditioning to prior; None samples from N(0, I).
        classes: names of the classes in the order of their labels; None if it is conditioned on none.
        num_inference_steps: steps of a call that does not say how many.
        solver: that takes the scheduler's place, by its name in [`SOLVERS`][priordiff.pipelines.with_solver];
            None for the scheduler itself, as after another one is assigned.
        guidance_scale: of a call that does not say it; 1 for none.
        schedules: configurations of the schedulers that sample in certain numbers of steps, by that number;
            see [`use_schedules`][priordiff.search.use_schedules].
        task: of the network; `conditioning_of` knows "super-resolution", "colouring" and "inpainting".
        factor: by which super-resolution enlarges.
        fill: what stood in the holes of inpainting: "white" or "grey".
        margin: how many latents around a hole counted as hidden.

    Raises:
        ValueError: if the solver cannot be had, or one of the last three is none of its values.
        TypeError: if the scheduler cannot have a prior.

    Example:
        >>> from diffusers import DDPMScheduler, UNet2DModel
        >>> unet = UNet2DModel(sample_size=8, block_out_channels=(8, 8), norm_num_groups=4,
        ...     down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2, num_class_embeds=3)
        >>> pipeline = ImagePipeline(unet, DDPMScheduler(), classes=["cat", "dog"])
        >>> pipeline.set_progress_bar_config(disable=True)
        >>> pipeline(["dog", "cat", "cat"], output_type="pt").images.shape
        torch.Size([3, 3, 8, 8])
    """

    model_cpu_offload_seq = "unet->vae"
    _exclude_from_cpu_offload = ["estimator"]  # noqa: RUF012 (small, and perhaps without parameters)
    _optional_components = ["vae", "estimator"]  # noqa: RUF012 (declared so by diffusers)
    _callback_tensor_inputs: ClassVar[list[str]] = list(STEP_TENSORS)

    def __init__(
        self,
        unet: ModelMixin,
        scheduler: SchedulerMixin,
        vae: Optional[AutoencoderKL] = None,  # noqa: UP045 (diffusers before 0.37 reads no X | None,
        estimator: Optional[PriorEstimator] = None,  # noqa: UP045  nor annotations that are strings)
        classes: Optional[Sequence[str]] = None,  # noqa: UP045
        num_inference_steps: int = 10,
        solver: Optional[str] = None,  # noqa: UP045
        guidance_scale: float = 1.0,
        schedules: Optional[Mapping[str, Any]] = None,  # noqa: UP045
        task: Optional[str] = None,  # noqa: UP045
        factor: Optional[int] = None,  # noqa: UP045
        fill: Optional[str] = None,  # noqa: UP045
        margin: Optional[int] = None,  # noqa: UP045
    ) -> None:
        super().__init__()
        for module in (unet, vae, estimator):
            if module is not None:
                align_memory(module)
        self.register_modules(unet=unet, scheduler=taking_prior(scheduler), vae=vae, estimator=estimator)
        if solver is not None:  # an error if it can't be had
            with_solver(scheduler, solver)
        check_restoration(factor, fill, margin)
        self.register_to_config(
            classes=None if classes is None else list(classes),
            num_inference_steps=num_inference_steps,
            solver=solver,
            guidance_scale=guidance_scale,
            schedules=None if schedules is None else dict(schedules),
            task=task,
            factor=factor,
            fill=fill,
            margin=margin,
        )

    @property
    def latent_space(self) -> LatentSpace:
        """What is diffused, from images and back."""
        return LatentSpace(self.vae)

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of what is diffused."""
        config = self.unet.config
        height, width = (
            [config.sample_size] * 2 if isinstance(config.sample_size, int) else config.sample_size
        )
        # The network's input may have the channels of a conditioning image besides.
        channels = config.out_channels if self.vae is None else self.vae.config.latent_channels
        return int(channels or config.in_channels), height, width

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images that it makes, in pixels."""
        _, height, width = self.sample_shape
        return height * self.latent_space.downsampling, width * self.latent_space.downsampling

    @property
    def given_size(self) -> tuple[int, int]:
        """Height and width of the images that it restores, in pixels."""
        return given_size(self.config.task, self.config.factor, self.image_size)

    def conditioning_of(self, images: Any, mask: Any | None = None) -> Tensor:
        """What a call takes as `image`, made of the images that are to be restored.

        Args:
            images: of `given_size`, (batch, 3, height, width) in [−1, 1], or images of Pillow of any mode,
                which become RGB as by [`to_rgb`][priordiff.images.to_rgb]: upright, and white where they are
                transparent. Those that are to be coloured lose what colours they have.
            mask: for inpainting, 1 where an image is to be made anew, (batch, 1, height, width), or images of
                Pillow, white there; one is for all. Without it, what is transparent in images of Pillow.

        Raises:
            ValueError: if it restores no images or takes no mask, one has another size or other values, or
                hides nothing.
        """
        config, space, device = self.config, self.latent_space, self._execution_device
        given = given_images(images, config.task, config.factor, self.image_size).to(device)
        hidden = given_mask(mask, images, config, self.image_size, device)
        if hidden is None:
            return space.encode(given)
        return encode_seen(space, filled(given, hidden, config.fill), hidden, config.margin)

    @torch.no_grad()
    def __call__(
        self,
        labels: Sequence[str | int] | str | int | Tensor | np.ndarray | None = None,
        image: Tensor | None = None,
        text: Tensor | None = None,
        prompts: Sequence[str] | None = None,
        num_images: int | None = None,
        num_inference_steps: int | None = None,
        solver: str | None = None,
        guidance_scale: float | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: StepFunction | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> ImagePipelineOutput | tuple[Any, ...]:
        """Samples one image for each label, image or text.

        With a generator of its own, an image is the same in any batch, up to rounding.

        Args:
            labels: names of classes, or their indices, or one of them.
            image: what goes with each sample (batch, channels, height, width), in the space and size of the
                samples, as `conditioning_of` makes it.
            text: embeddings of texts (batch, features).
            prompts: the texts themselves, which [`SentenceEncoder`][priordiff.models.SentenceEncoder] embeds.
            num_images: how many, where there is nothing that says it.
            num_inference_steps: sampling steps, those of the pipeline by default.
            solver: instead of the pipeline's.
            guidance_scale: instead of the pipeline's; 1 for none.
            generator: source of noise; a list has one for each image.
            output_type: "pil" for images of Pillow, "np" for NumPy arrays (batch, height, width, channels)
                and "pt" for tensors (batch, channels, height, width), both in [0, 1]; "latent" for what was
                diffused, as it is.
            return_dict: False for a plain tuple.
            callback_on_step_end: called after each step as `callback(pipeline, step, timestep, tensors)`, as
                in the pipelines of diffusers; if it returns `latents` in a dictionary, they take the state's
                place.
            callback_on_step_end_tensor_inputs: which tensors it is given by name: `latents`, the state after
                the step, and `pred_original_sample`, what the network has predicted in it, both in the space
                of the diffusion.

        Raises:
            ValueError: if an argument does not fit the pipeline, or what it makes are no numbers; the message
                names it.
            ImportError: if there are prompts, and the extra `captions` is not installed.
        """
        if output_type not in ("pil", "np", "pt", "latent"):
            raise ValueError(f"output_type={output_type!r}, expected 'pil', 'np', 'pt' or 'latent'")
        channels, *size = self.sample_shape
        classes = self.config.classes
        text = text_embeddings(text, prompts, getattr(self.unet.config, "cross_attention_dim", None))
        check_image(image, (self.unet.config.in_channels - channels, *size))
        conditioning = Conditioning(label_indices(labels, classes), image, text).to(self._execution_device)
        batch = size_of_batch(conditioning, num_images, classes, self.config.task)
        generator = checked_generator(generator, batch)
        scale = checked_guidance(self.config.guidance_scale if guidance_scale is None else guidance_scale)
        if scale != 1 and conditioning.labels is None and conditioning.text is None:
            raise ValueError(f"guidance_scale={scale}, but there is no class or text that could be left out")
        if output_type != "latent":
            self.latent_space.check_decodes(channels)
        callback = StepCallback.of(callback_on_step_end, callback_on_step_end_tensor_inputs, STEP_TENSORS)
        scheduler, steps = self.scheduler_of_call(num_inference_steps, solver)
        scheduler.set_timesteps(**steps, device=self._execution_device)
        samples = sample_images(self, scheduler, conditioning, batch, scale, generator, callback)
        if output_type == "latent":
            images: Any = samples
        else:
            images = self.latent_space.decode(samples)
            images = VaeImageProcessor().postprocess(images.float(), output_type)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)
