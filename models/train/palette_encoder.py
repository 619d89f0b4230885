"""Trains the palette encoder of pipeline/palette/vector.py, on a CPU in some minutes.

    python -m models.train.palette_encoder

A DeepSets network (Zaheer et al. 2017) learns vectors whose Euclidean distance is the palette error. It trains on pairs
of random palettes: uniform in sRGB, or around the fashion vocabulary; a quarter of the pairs are near each other. One
seed determines everything. The weights are written to pipeline/palette/palette_encoder.npz.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from pipeline.color.difference import delta_e_2000
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.color.vocabulary import vocabulary
from pipeline.palette.vector import DIMENSIONS, ENCODER_FILE, SHARPNESS
from pipeline.types import Floats

# Contract: a palette has at most so many colours.
MOST_COLORS = 8
# Taste: the width of the network.
HIDDEN = 64
# Taste: the network works in tens of ΔE00.
SCALE_DE00 = 10.0


@dataclass(frozen=True, slots=True)
class Palettes:
    """n padded palettes. lab: (n, 8, 3); share: (n, 8), 0 for padding."""

    lab: Floats
    share: Floats


class PaletteEncoder(nn.Module):
    """Maps colours (n, k, 3) and shares (n, k) to vectors (n, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.color_in = nn.Linear(3, HIDDEN)
        self.color_mid = nn.Linear(HIDDEN, HIDDEN)
        self.color_out = nn.Linear(HIDDEN, HIDDEN)
        self.palette_in = nn.Linear(2 * HIDDEN, HIDDEN)
        self.palette_out = nn.Linear(HIDDEN, DIMENSIONS)

    def forward(self, lab: Tensor, share: Tensor) -> Tensor:
        x = nn.functional.silu(self.color_in(lab / 50 - torch.tensor([1.0, 0.0, 0.0])))
        x = self.color_out(nn.functional.silu(self.color_mid(x)))
        mean = (x * share[..., None]).sum(dim=1)
        top = torch.logsumexp(SHARPNESS * x + torch.log(share + 1e-9)[..., None], dim=1) / SHARPNESS
        x = nn.functional.silu(self.palette_in(torch.cat((mean, top), dim=1)))
        out: Tensor = self.palette_out(x)
        return out


def random_palettes(random: np.random.Generator, count: int) -> Palettes:
    """Random palettes of 1 to 8 colours with uneven shares; a third are uniform in sRGB, the others wearable."""
    shape = (count, MOST_COLORS)
    uniform = srgb_to_lab_d65(random.random((*shape, 3)))
    words = vocabulary("fashion").lab
    wearable = words[random.integers(0, len(words), shape)] + random.normal(0, 2, (*shape, 3))
    lab = np.where((random.integers(0, 3, count) > 0)[:, None, None], wearable, uniform)
    used = np.arange(MOST_COLORS) < random.integers(1, MOST_COLORS + 1, count)[:, None]
    share = (random.gamma(1.5, 1, shape) + 1e-3) * used
    return Palettes(lab, share / share.sum(axis=1, keepdims=True))


def palette_errors(first: Palettes, second: Palettes) -> Floats:
    """`pipeline.palette.vector.palette_error` for n pairs at once, (n,)."""
    distance = delta_e_2000(first.lab[:, :, None], second.lab[:, None])
    distance = np.where((first.share[:, :, None] > 0) & (second.share[:, None] > 0), distance, np.inf)
    forth = np.where(first.share > 0, distance.min(axis=2), 0) * first.share
    back = np.where(second.share > 0, distance.min(axis=1), 0) * second.share
    return np.asarray((forth.sum(axis=1) + back.sum(axis=1)) / 2)


def training_pairs(random: np.random.Generator, count: int) -> tuple[Palettes, Palettes]:
    """Pairs of random palettes; in every fourth pair the second is the first with noise."""
    first, second = random_palettes(random, count), random_palettes(random, count)
    near = (np.arange(count) % 4 == 0)[:, None]
    noise = random.normal(0, 1, first.lab.shape) * random.choice([2.0, 6.0, 15.0], (count, 1, 1))
    lab = np.where(near[..., None], first.lab + noise, second.lab)
    return first, Palettes(lab, np.where(near, first.share, second.share))


def tensors(palettes: Palettes) -> tuple[Tensor, Tensor]:
    """Lab and shares as float32 tensors."""
    return torch.from_numpy(palettes.lab).float(), torch.from_numpy(palettes.share).float()


def train(pairs: int, epochs: int, seed: int) -> PaletteEncoder:
    """The trained encoder; the same seed gives the same weights on the same machine."""
    torch.manual_seed(seed)
    first, second = training_pairs(np.random.default_rng(seed), pairs)
    wanted = torch.from_numpy(palette_errors(first, second)).float() / SCALE_DE00
    one, two = tensors(first), tensors(second)
    network, batch = PaletteEncoder(), 512
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=epochs * (pairs // batch))
    for _ in range(epochs):
        for rows in torch.randperm(pairs)[: pairs // batch * batch].view(-1, batch):
            apart = network(one[0][rows], one[1][rows]) - network(two[0][rows], two[1][rows])
            distance = (apart.pow(2).sum(dim=1) + 1e-6).sqrt()
            loss = (distance - wanted[rows]).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network


def rank_correlation(network: PaletteEncoder, seed: int) -> float:
    """Spearman's correlation of vector distance and palette error over 4000 unseen pairs."""
    random = np.random.default_rng(seed)
    first, second = random_palettes(random, 4000), random_palettes(random, 4000)
    with torch.no_grad():
        distance = (network(*tensors(first)) - network(*tensors(second))).norm(dim=1).numpy()
    return float(spearmanr(distance, palette_errors(first, second)).statistic)


def main() -> None:
    """Trains, prints the rank correlation, and writes the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    network = train(options.pairs, options.epochs, options.seed)
    print(f"Spearman {rank_correlation(network, options.seed + 1):.3f}")  # noqa: T201
    state = {name.replace(".", "_"): value.numpy().astype(np.float16) for name, value in network.state_dict().items()}
    state["palette_out_weight"] *= np.float16(SCALE_DE00)
    state["palette_out_bias"] *= np.float16(SCALE_DE00)
    np.savez_compressed(ENCODER_FILE, allow_pickle=False, **state)


if __name__ == "__main__":
    main()
