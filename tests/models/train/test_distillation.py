"""Learning the answers of other networks beside the labels."""

import math
from pathlib import Path

import msgspec
import pytest
import torch
from torch import Tensor, nn

from models.networks.efficientnet import EfficientNetLiteParser
from models.train.__main__ import _teacher, main
from models.train.losses import distance_to, known_of
from models.train.recipe import Recipe
from models.train.steps import Data, batch, begin, learn, save
from models.train.teacher import UNKNOWN
from pipeline.types import CLASSES
from tests.models.train.conftest import RECIPE

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")


class Sure(nn.Module):
    """A teacher that is sure of one class everywhere."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.at = CLASSES.index(name)

    def forward(self, photos: Tensor) -> Tensor:
        """Logits (B, 9, H/2, W/2)."""
        logits = torch.zeros(len(photos), len(CLASSES), photos.shape[2] // 2, photos.shape[3] // 2)
        logits[:, self.at] = 20.0
        return logits


def test_a_network_learns_what_its_teachers_say_when_no_label_does(
    recipe: Recipe, data: Data, encoder: dict[str, Tensor]
) -> None:
    """Two teachers are believed by halves, also where every pixel is without a label."""
    taught = msgspec.structs.replace(recipe, distil=1.0, decoder_steps=0, learning_rate=0.02, steps=60)
    run = begin(taught, encoder, CPU, teachers=[Sure("bottom"), Sure("shoes")])
    photos, labels = batch(taught, data, 2)
    unlabelled = torch.full_like(labels, UNKNOWN)
    losses = [learn(run, photos, unlabelled) for _ in range(40)]
    # Nothing is nearer to two teachers who contradict each other than an even chance of both.
    assert losses[0] > 2 * math.log(2)
    assert losses[-1] == pytest.approx(math.log(2), abs=0.05)


def test_the_distance_is_least_when_the_answers_are_the_teachers() -> None:
    """Cross-entropy is least at the posterior itself, where it is the posterior's entropy."""
    posterior = torch.randn(2, 9, 4, 4, generator=torch.Generator().manual_seed(5)).softmax(dim=1)
    entropy = -(posterior * posterior.log()).sum(dim=1).mean()
    assert float(distance_to(posterior, posterior.log())) == pytest.approx(float(entropy), rel=1e-5)
    assert float(distance_to(posterior, 1.5 * posterior.log())) > float(entropy)
    assert float(distance_to(posterior, 0.7 * posterior.log())) > float(entropy)


def test_a_teacher_is_not_believed_when_it_names_a_garment_that_the_labels_do_not() -> None:
    """The labels of a photo name its kinds: of other kinds a teacher's share is left out, where pixels have labels."""
    top, bottom, shoes = (CLASSES.index(name) for name in ("top", "bottom", "shoes"))
    answers = torch.full((1, len(CLASSES), 1, 2), 0.1)
    labels = torch.tensor([[[top, top, UNKNOWN, UNKNOWN], [top, bottom, UNKNOWN, UNKNOWN]]], dtype=torch.uint8)
    known = known_of(answers, labels)
    assert known[0, [top, bottom], 0, 0].tolist() == pytest.approx([0.1, 0.1])
    assert float(known[0, shoes, 0, 0]) == 0
    assert known[0, :3, 0, 0].tolist() == pytest.approx([0.1, 0.1, 0.1])  # background, skin and hair are everywhere
    assert torch.equal(known[0, :, 0, 1], answers[0, :, 0, 1])


def test_teachers_stay_as_they_are_when_the_network_learns(
    tmp_path: Path, recipe: Recipe, data: Data, encoder: dict[str, Tensor]
) -> None:
    """A run's file is a teacher; it gets no gradient, and its norms keep their statistics."""
    save(begin(recipe, encoder, CPU), tmp_path / "run.pt")
    teacher = _teacher(tmp_path / "run.pt", recipe.architecture)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    run = begin(msgspec.structs.replace(recipe, distil=1.0), encoder, CPU, teachers=[teacher])
    learn(run, *batch(recipe, data, 0))
    assert all(torch.equal(value, before[name]) for name, value in run.teachers[0].state_dict().items())
    assert all(one.grad is None for one in run.teachers[0].parameters())


def test_a_card_is_a_teacher_when_it_is_named() -> None:
    """The registry's networks have no norms any more."""
    network = _teacher(Path("models/weights/lite0-parse-384.json"), "efficientnet_lite2_parser")
    assert isinstance(network, EfficientNetLiteParser)
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 9, 32, 32)


def test_a_teacher_is_refused_when_the_recipe_does_not_weigh_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A teacher without a weight, or a weight without a teacher, would silently change nothing."""
    teacher = "models/weights/lite0-parse-384.json"
    rest = ["--material", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([str(RECIPE), *rest, "--teacher", teacher]) == 1
    weighed = tmp_path / "weighed.toml"
    weighed.write_text(RECIPE.read_text().replace("dice = ", "distil = 1.0\ndice = "))
    assert main([str(weighed), *rest]) == 1
    assert " ".join(capsys.readouterr().out.split()).count("give both or neither") == 2
