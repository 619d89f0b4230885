"""Training: the same steps on every run, a kill that costs nothing, labels that stay true, and what is refused."""

import tomllib
from dataclasses import replace
from io import StringIO
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

from models.cards import ModelCard, load_card
from models.engines.torch import TorchSegmenter
from models.evaluate.scores import CLOTHES
from models.export import export
from models.segmenter import SegmentationInput
from models.train import recipe as recipes
from models.train.__main__ import batches, main, train
from models.train.augment import Chances
from models.train.data import Sample, cut, tinted
from models.train.losses import loss_of, shares_of
from models.train.recipe import TRAINABLE, Recipe, read_recipe
from models.train.steps import (
    Data,
    Run,
    batch,
    begin,
    dead_parts,
    learn,
    rate,
    resume,
    save,
    settle_norms,
    weights_of,
)
from models.train.teacher import UNKNOWN
from pipeline.types import Segmentation
from tests.models.train.conftest import RECIPE

RECIPES = sorted(RECIPE.parent.glob("parser*.toml"))


pytestmark = pytest.mark.usefixtures("one_thread")


def _run(recipe: Recipe, encoder: dict[str, Tensor]) -> Run:
    return begin(recipe, encoder, torch.device("cpu"))


def _trained(run: Run, data: Data, folder: Path) -> dict[str, Tensor]:
    folder.mkdir(exist_ok=True)
    train(run, data, folder, Console(file=StringIO()))
    return run.average.state_dict()


def test_training_ends_the_same_when_it_was_killed_and_taken_up(
    tmp_path: Path, recipe: Recipe, data: Data, encoder: dict[str, Tensor]
) -> None:
    """Two steps, saved, then two more of a new run: bit for bit what four in one go give."""
    whole = _trained(_run(recipe, encoder), data, tmp_path / "whole")
    first = _run(recipe, encoder)
    for step in range(2):
        learn(first, *batch(recipe, data, step))
    save(first, tmp_path / "run.pt")
    second = _run(recipe, encoder)
    resume(second, tmp_path / "run.pt")
    parts = _trained(second, data, tmp_path / "parts")
    assert all(torch.equal(one, parts[name]) for name, one in whole.items())
    assert len((tmp_path / "whole" / "log.jsonl").read_text().splitlines()) == 2


def test_training_is_not_resumed_when_the_recipe_changed(
    tmp_path: Path, recipe: Recipe, encoder: dict[str, Tensor]
) -> None:
    """Half a run under one recipe and half under another would be neither; the message names what changed."""
    save(_run(recipe, encoder), tmp_path / "run.pt")
    other = _run(msgspec.structs.replace(recipe, seed=8), encoder)
    with pytest.raises(ValueError, match="another seed"):
        resume(other, tmp_path / "run.pt")


def test_training_goes_on_for_longer_when_the_rate_has_not_begun_to_fall(
    tmp_path: Path, recipe: Recipe, data: Data, encoder: dict[str, Tensor]
) -> None:
    """On the plateau the number of steps may change; once the rate falls, it may not."""
    run = _run(recipe, encoder)
    for step in range(4):
        save(run, tmp_path / f"{step}.pt")
        learn(run, *batch(recipe, data, step))
    save(run, tmp_path / "4.pt")
    longer = msgspec.structs.replace(recipe, steps=9)
    resume(_run(longer, encoder), tmp_path / "3.pt")
    with pytest.raises(ValueError, match="another steps"):
        resume(_run(longer, encoder), tmp_path / "4.pt")


def test_training_starts_from_another_run_when_it_is_named(
    tmp_path: Path, recipe: Recipe, data: Data, encoder: dict[str, Tensor]
) -> None:
    """A second round begins with the first one's averaged weights, decoder included."""
    first = _run(recipe, encoder)
    learn(first, *batch(recipe, data, 0))
    save(first, tmp_path / "run.pt")
    start = torch.load(tmp_path / "run.pt", weights_only=True)["average"]
    second = begin(recipe, encoder, torch.device("cpu"), start)
    assert all(torch.equal(value, start[name]) for name, value in second.network.state_dict().items())
    assert second.step == 0


def test_loss_falls_when_the_same_batch_is_learned(recipe: Recipe, data: Data, encoder: dict[str, Tensor]) -> None:
    """A few steps on one batch bring its loss down by a quarter."""
    run = _run(msgspec.structs.replace(recipe, steps=40, learning_rate=5e-3), encoder)
    photos, labels = batch(recipe, data, 1)
    losses = [learn(run, photos.clone(), labels) for _ in range(10)]
    assert losses[-1] < 0.75 * losses[0]


def test_norms_are_those_of_the_averaged_weights_when_a_run_ends(
    recipe: Recipe, data: Data, encoder: dict[str, Tensor]
) -> None:
    """The last step measures the averaged network's norms over whole batches; its weights and the encoder's stay."""
    run = _run(recipe, encoder)
    for step in range(2):
        learn(run, *batch(recipe, data, step))
    before = {name: value.clone() for name, value in run.average.state_dict().items()}
    settle_norms(run, batches(run, data, range(recipe.steps, recipe.steps + 4), 0))
    after = run.average.state_dict()
    statistics = {name for name in after if "running" in name and not name.startswith(("stem.", "stages."))}
    assert all(not torch.equal(after[name], before[name]) for name in statistics)
    kept = [name for name in after if name not in statistics and not name.endswith("num_batches_tracked")]
    assert all(torch.equal(after[name], before[name]) for name in kept)
    assert not run.average.training


def test_a_dead_branch_is_named_when_its_activation_is_saturated(
    recipe: Recipe, data: Data, encoder: dict[str, Tensor]
) -> None:
    """A scene far beyond ReLU6's range passes no gradient on: the log names what stands before it, and nothing else."""
    run = _run(msgspec.structs.replace(recipe, decoder_steps=0), encoder)
    learn(run, *batch(recipe, data, 1))
    assert dead_parts(run.network) == []
    torch.nn.init.constant_(run.network.scene.bias, 1e4)
    learn(run, *batch(recipe, data, 2))
    assert dead_parts(run.network) == ["stages.5", "stages.6", "lateral.3", "scene"]


def test_batches_are_the_same_when_made_twice(recipe: Recipe, data: Data) -> None:
    """A batch depends on the seed and its step, on nothing before it."""
    photos, labels = batch(recipe, data, 3)
    again, labels_again = batch(recipe, data, 3)
    assert torch.equal(photos, again)
    assert torch.equal(labels, labels_again)
    assert photos.shape == (2, 3, 64, 64)
    assert labels.shape == (2, 64, 64)
    assert batch(recipe, data, 0)[0].shape == (2, 3, 32, 32)
    assert not torch.equal(photos, batch(recipe, data, 4)[0])


def test_batches_are_the_same_when_another_process_makes_them(
    recipe: Recipe, data: Data, encoder: dict[str, Tensor]
) -> None:
    """Processes make batches ahead, in the order of the steps."""
    run = _run(recipe, encoder)
    ahead = list(batches(run, data, range(1, 4), 2))
    assert len(ahead) == 3
    for (photos, labels), step in zip(ahead, range(1, 4), strict=True):
        assert torch.equal(photos, batch(recipe, data, step)[0])
        assert torch.equal(labels, batch(recipe, data, step)[1])


def test_a_part_is_smooth_when_it_is_enlarged() -> None:
    """A close-up of a small photo has no blocks: a ramp of eight values becomes a ramp of many."""
    ramp = np.repeat(np.linspace(0, 224, 8).astype(np.uint8)[None, :, None], 3, axis=2).repeat(8, axis=0)
    pixels, _labels = cut(Sample(ramp, np.full((8, 8), 3, np.uint8)), 64, np.random.default_rng(1))
    assert len(np.unique(pixels)) > 30


@pytest.mark.parametrize("seed", range(8))
def test_labels_stay_on_their_pixels_when_a_sample_is_cut(data: Data, seed: int) -> None:
    """Whatever part is taken and whether it is mirrored: red is a top and blue is trousers."""
    pixels, labels = cut(data.aside[0], 64, np.random.default_rng(seed))
    inner = np.zeros_like(labels, bool)
    inner[1:-1, 1:-1] = True  # at an outline the photo is blended, the labels are not
    for k in (-1, 1):
        inner &= (np.roll(labels, k, 0) == labels) & (np.roll(labels, k, 1) == labels)
    assert set(np.unique(labels)) <= {0, 3, 5}
    assert np.isin(labels, CLOTHES).any()
    assert np.all(pixels[inner & (labels == 3)][:, 0] > 180)
    assert np.all(pixels[inner & (labels == 5)][:, 2] > 140)


def test_tint_changes_colours_and_keeps_places_when_light_is_varied() -> None:
    """Values stay in 0…1, and what was brighter than its neighbour in all channels still is."""
    photos = torch.full((4, 3, 8, 8), 0.3)
    photos[:, :, 4:] = 0.6
    found = tinted(photos.clone(), np.random.default_rng(0))
    assert float(found.min()) >= 0.0
    assert float(found.max()) <= 1.0
    assert not torch.equal(found, photos)
    assert bool((found[:, :, 4:].mean(dim=(1, 2, 3)) > found[:, :, :4].mean(dim=(1, 2, 3))).all())


def test_unknown_pixels_do_not_count_when_the_loss_is_taken(recipe: Recipe) -> None:
    """The loss ignores the network's output on unknown pixels."""
    logits = torch.randn(1, 9, 4, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(1, 8, 8, dtype=torch.uint8)
    labels[0, :4] = 3
    labels[0, 6:] = UNKNOWN
    other = logits.clone()
    other[0, :, 3] += torch.arange(9.0)[:, None]
    assert float(loss_of(recipe, logits, labels)) == pytest.approx(float(loss_of(recipe, other, labels)), abs=1e-6)
    other[0, :, 2] += torch.arange(9.0)[:, None]
    assert float(loss_of(recipe, logits, labels)) != pytest.approx(float(loss_of(recipe, other, labels)), abs=1e-3)


def test_labels_lie_at_cell_centres_when_the_loss_sees_them() -> None:
    """Each output stands for a cell of 2×2 labels; a cell on an edge is half one class, half the other."""
    labels = torch.zeros(1, 4, 6, dtype=torch.uint8)
    labels[0, :, 3:] = 5
    labels[0, 3, :2] = UNKNOWN
    shares = shares_of(labels)
    assert shares.shape == (1, 9, 2, 3)
    assert shares[0, 0, 0].tolist() == [1.0, 0.5, 0.0]
    assert shares[0, 5, 0].tolist() == [0.0, 0.5, 1.0]
    assert shares[0, :, 1, 0].sum() == 0.5


def test_rate_rises_then_falls_when_steps_go_on(recipe: Recipe) -> None:
    """The rate rises linearly to its peak, stays, then falls linearly to a hundredth of it."""
    long = msgspec.structs.replace(recipe, steps=1000, warm_up_steps=100, cool_down_steps=400)
    assert rate(long, 49) == pytest.approx(long.learning_rate / 2)
    assert rate(long, 100) == rate(long, 600) == pytest.approx(long.learning_rate)
    assert rate(long, 800) == pytest.approx(long.learning_rate * 0.505)
    assert rate(long, 1000) == pytest.approx(long.learning_rate / 100)


def test_exported_network_is_served_when_a_run_is_done(
    tmp_path: Path, recipe: Recipe, encoder: dict[str, Tensor]
) -> None:
    """The entry passes the registry's checks and computes what the averaged network does, in half precision."""
    run = _run(recipe, encoder)
    save(run, tmp_path / "run.pt")
    about = tomllib.loads(RECIPE.read_text())["card"] | {"id": "tiny", "input_px": (64, 64)}
    report = {
        name: {"value": 0.5, "iou": 0.5, "class_iou": 0.25, "purity": 1.0} for name in ("full", "miou", "garments")
    }
    export(
        tmp_path / "run.pt",
        about,
        report | {"close_up": None, "product": None, "palette": None, "palette_p90": 4.0},
        tmp_path,
    )
    figures = load_card("tiny", tmp_path).metrics
    assert (figures["clothes_iou"], figures["region_class_iou"], figures["palette_de00_p90"]) == (0.5, 0.25, 4.0)
    assert "product_purity" not in figures
    card = replace(load_card("tiny", tmp_path), weights=str(tmp_path / "tiny.safetensors"))
    assert isinstance(card, ModelCard)
    segmenter = TorchSegmenter(card, threads=1)
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    with torch.inference_mode():
        expected = run.average.eval()((torch.from_numpy(photo).permute(2, 0, 1)[None].float() - 127) / 128)
        found = segmenter.forward(segmenter.preprocess([photo]))
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02 * float(expected.abs().max()))
    assert isinstance(segmenter.segment([SegmentationInput(photo, 64, 64)])[0], Segmentation)


def test_a_card_names_the_architecture_of_its_run_when_exported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recipe: Recipe, encoder: dict[str, Tensor]
) -> None:
    """The card's architecture is the recipe's, also when it is not the default; an unknown one is refused."""
    monkeypatch.setitem(recipes.TRAINABLE, "another_parser", TRAINABLE["efficientnet_lite0_parser"])
    save(_run(msgspec.structs.replace(recipe, architecture="another_parser"), encoder), tmp_path / "run.pt")
    about = tomllib.loads(RECIPE.read_text())["card"] | {"id": "tiny"}
    assert export(tmp_path / "run.pt", about, None, tmp_path).architecture == "another_parser"
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(RECIPE.read_text().replace('"efficientnet_lite2_parser"', '"u3net"'))
    with pytest.raises(ValueError, match=r"'u3net'; trainable are: .*efficientnet_lite0_parser"):
        read_recipe(wrong)


def test_command_says_what_is_wrong_when_recipe_or_folder_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt value and a folder that was not prepared are each named, before anything is computed."""
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(RECIPE.read_text().replace("seed = 59", "sead = 59"))
    rest = ["--material", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([str(wrong), *rest]) == 1
    assert "sead" in capsys.readouterr().out
    assert main([str(RECIPE), *rest]) == 1
    assert "models.train.material" in " ".join(capsys.readouterr().out.split())


def test_training_goes_on_from_the_registry_when_its_weights_have_no_norms(
    tmp_path: Path, recipe: Recipe, data: Data, encoder: dict[str, Tensor]
) -> None:
    """The weights of a shipped network learn as they are, and what is exported is what was learned."""
    save(_run(recipe, encoder), tmp_path / "run.pt")
    about = tomllib.loads(RECIPE.read_text())["card"] | {"id": "tiny", "input_px": (64, 64)}
    export(tmp_path / "run.pt", about, None, tmp_path)
    start = weights_of(tmp_path / "tiny.safetensors")
    run = begin(recipe, encoder, torch.device("cpu"), start)
    assert not any(".norm." in name for name in run.network.state_dict())
    for step in range(2):
        learn(run, *batch(recipe, data, step))
    learned = run.network.state_dict()
    assert torch.equal(learned["stem.conv.weight"], start["stem.conv.weight"])
    assert not torch.equal(learned["stages.3.0.expand.conv.weight"], start["stages.3.0.expand.conv.weight"])
    save(run, tmp_path / "run.pt")
    assert weights_of(tmp_path / "run.pt").keys() == start.keys()
    again = export(tmp_path / "run.pt", about, None, tmp_path)
    assert again.parameters == sum(value.numel() for value in start.values())


def test_early_stages_stay_as_published_when_the_recipe_freezes_them(
    recipe: Recipe, data: Data, encoder: dict[str, Tensor]
) -> None:
    """After a step stem and frozen stages, norms included, are what was published; the next stage is not."""
    run = _run(recipe, encoder)
    for step in range(2):
        learn(run, *batch(recipe, data, step))
    published = _run(recipe, encoder).network.state_dict()
    for name, value in run.network.state_dict().items():
        if name.startswith(("stem.", "stages.0.", "stages.1.")):
            assert torch.equal(value, published[name]), name
    assert not torch.equal(
        run.network.state_dict()["stages.2.0.expand.conv.weight"], published["stages.2.0.expand.conv.weight"]
    )


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_opens_with_its_launch_command_when_read(path: Path) -> None:
    """Every recipe can be read and says how to run it."""
    assert read_recipe(path).steps > 0
    assert f"make train RECIPE={path.as_posix()}" in path.read_text().split("architecture", 1)[0]


def test_decoder_learns_alone_when_a_run_begins(recipe: Recipe, data: Data, encoder: dict[str, Tensor]) -> None:
    """Until the recipe's step the whole encoder stays as published; its norms' statistics always do."""
    run = _run(recipe, encoder)
    published = {name: value.clone() for name, value in run.network.state_dict().items()}
    learn(run, *batch(recipe, data, 0))
    now = run.network.state_dict()
    encoder_names = [name for name in now if name.startswith(("stem.", "stages."))]
    assert all(torch.equal(now[name], published[name]) for name in encoder_names)
    assert not torch.equal(now["classify.weight"], published["classify.weight"])
    learn(run, *batch(recipe, data, 1))
    statistics = [name for name in encoder_names if "running" in name]
    assert all(torch.equal(run.network.state_dict()[name], published[name]) for name in statistics)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_chance_is_a_share_when_a_recipe_is_read(path: Path) -> None:
    """The recipes' chances and shares are probabilities."""
    recipe = read_recipe(path)
    chances = [getattr(recipe.chances, name) for name in Chances.__struct_fields__]
    assert all(0 <= chance <= 1 for chance in chances)
    assert sum(recipe.sources.values()) == pytest.approx(1)
    assert sum(recipe.products.values()) == pytest.approx(1)
