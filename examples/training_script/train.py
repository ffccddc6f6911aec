"""Trains a class-conditional diffusion model, in the style of the training scripts of diffusers."""

import argparse

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import set_seed
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.optimization import get_scheduler
from torch.utils.data import DataLoader, TensorDataset
from tqdm.auto import tqdm

NUM_CLASSES = 4


def make_dataset(num_images: int = 4096, resolution: int = 8) -> TensorDataset:
    """Waves in every direction, whose mean and standard deviation depend on the class."""
    labels = torch.arange(num_images) % NUM_CLASSES
    mean = torch.tensor([-0.9, -0.3, 0.3, 0.9])[labels].reshape(-1, 1, 1, 1)
    std = torch.tensor([0.01, 0.3, 0.03, 0.1])[labels].reshape(-1, 1, 1, 1)
    phase, direction = 2 * torch.pi * torch.rand(2, num_images, 1, 1, 1)
    position = 2 * torch.pi * torch.arange(resolution) / resolution
    waves = torch.sin(direction.cos() * position[:, None] + direction.sin() * position + phase)
    return TensorDataset(mean + std * 2**0.5 * waves, labels)


@torch.no_grad()
def sample(
    model: UNet2DModel, scheduler: DDPMScheduler, labels: torch.Tensor, num_inference_steps: int = 50
) -> torch.Tensor:
    """Denoises one image for each label."""
    size = model.config.sample_size
    images = torch.randn(len(labels), 1, size, size, device=labels.device) * scheduler.init_noise_sigma
    scheduler.set_timesteps(num_inference_steps, device=labels.device)
    for t in scheduler.timesteps:
        noise_pred = model(scheduler.scale_model_input(images, t), t, class_labels=labels).sample
        images = scheduler.step(noise_pred, t, images).prev_sample
    return images


def main(args: argparse.Namespace) -> None:
    accelerator = Accelerator(mixed_precision=args.mixed_precision)
    device = accelerator.device
    set_seed(args.seed)

    dataset = make_dataset()
    train_dataloader = DataLoader(dataset, batch_size=args.train_batch_size, shuffle=True, drop_last=True)
    model = UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        num_class_embeds=NUM_CLASSES,
    )
    noise_scheduler = DDPMScheduler(num_train_timesteps=1000, clip_sample=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate)
    lr_scheduler = get_scheduler(
        "cosine", optimizer, num_warmup_steps=10, num_training_steps=args.num_epochs * len(train_dataloader)
    )
    model, optimizer, train_dataloader, lr_scheduler = accelerator.prepare(
        model, optimizer, train_dataloader, lr_scheduler
    )

    for epoch in range(args.num_epochs):
        model.train()
        progress_bar = tqdm(train_dataloader, f"Epoch {epoch}", disable=not accelerator.is_local_main_process)
        for clean_images, labels in progress_bar:
            # Add noise of a random timestep to each image
            noise = torch.randn_like(clean_images)
            timesteps = torch.randint(
                0, noise_scheduler.config.num_train_timesteps, (len(clean_images),), device=device
            )
            noisy_images = noise_scheduler.add_noise(clean_images, noise, timesteps)

            # Predict the noise
            noise_pred = model(noisy_images, timesteps, class_labels=labels).sample
            loss = F.mse_loss(noise_pred, noise)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            lr_scheduler.step()
            optimizer.zero_grad()
            progress_bar.set_postfix(loss=loss.item())

    if accelerator.is_main_process:
        # Sample images of the last batch's classes for inspection
        model = accelerator.unwrap_model(model).eval()
        images = sample(model, noise_scheduler, labels)
        for label in range(NUM_CLASSES):
            of_class = images[labels == label]
            print(f"class {label}: mean {of_class.mean():.3f}, standard deviation {of_class.std():.3f}")
        model.save_pretrained(f"{args.output_dir}/unet")
        noise_scheduler.save_pretrained(f"{args.output_dir}/scheduler")
    accelerator.end_training()


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output_dir", default="ddpm-waves")
    parser.add_argument("--num_epochs", type=int, default=4)
    parser.add_argument("--train_batch_size", type=int, default=32)
    parser.add_argument("--learning_rate", type=float, default=2e-3)
    parser.add_argument("--mixed_precision", default="no", choices=["no", "fp16", "bf16"])
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(parse_args())
