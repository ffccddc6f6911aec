"""Checks an installation of the wheel alone: the core works, and a missing extra is named."""

import importlib.util

import torch

import priordiff
import priordiff.commands

for extra in ("torchaudio", "soundfile", "accelerate", "omegaconf"):
    assert importlib.util.find_spec(extra) is None, f"{extra} is installed: this is not the core alone"

scheduler = priordiff.PriorGradScheduler()
scheduler.set_prior(priordiff.DiagonalPrior(torch.zeros(1), torch.full((1,), 0.5)))
scheduler.set_timesteps(6)
x = torch.randn(2, 32, generator=torch.Generator().manual_seed(0)) * scheduler.init_noise_sigma
for t in scheduler.timesteps:
    prediction = torch.zeros_like(scheduler.scale_model_input(x, t))
    x = scheduler.step(prediction, t, x, generator=torch.Generator().manual_seed(1)).prev_sample
assert x.shape == (2, 32)
assert x.isfinite().all()

try:
    import priordiff.audio

    priordiff.audio.LogMelSpectrogram()
except ImportError as error:
    assert "pip install 'priordiff[audio]'" in str(error), f"the error does not name the extra: {error}"
else:
    raise AssertionError("priordiff.audio works without its extra")

assert priordiff.pretrained_vocoder().sample_rate == 22050
assert priordiff.commands.main([]) == 0, "help needs no extra"
print(f"priordiff {priordiff.__version__} from {priordiff.__file__}: the core works alone")
