"""Other publishers' networks with random weights: names and shapes, our classes, and refused files."""

import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from models.cards import ModelCard, ModelError, label_of, list_cards, load_card, sha256_of
from models.engines.torch import TorchSegmenter
from models.loading import load_network
from models.networks import u2net
from models.networks.table import ARCHITECTURES, Architecture, Wrapped
from models.segmenter import SegmentationInput
from pipeline.types import CLASSES, UNKNOWN, Segmentation

pytestmark = pytest.mark.usefixtures("one_thread")
Weights = Mapping[str, Tensor]
FETCHED = [card.id for card in list_cards() if card.url]


def at_hand(card_id: str, folder: Path, weights: Weights, **changes: Any) -> ModelCard:
    """A packaged card with the given weights."""
    card = load_card(card_id, allow_non_commercial=True)
    path = folder / Path(card.weights).name
    if path.suffix == ".safetensors":
        save_file(dict(weights), path)
    else:
        torch.save(dict(weights), path)
    return replace(card, **{"weights": str(path), "sha256": sha256_of(path), **changes})


@pytest.fixture
def one_thread() -> Iterator[None]:
    """More threads would wait for each other, because these networks are small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- as published ---------------------------------------------------------------------------------------------
def _published_u2net(
    widths: u2net.Widths, outputs: int, make: Callable[..., Tensor] = torch.randn
) -> dict[str, Tensor]:
    """Weights, random by default, under the names and with the shapes of a published U²-Net."""
    torch.manual_seed(5)
    found: dict[str, Tensor] = {}

    def conv(name: str, inputs: int, channels: int, kernel_px: int = 3) -> None:
        found[f"{name}.weight"] = make(channels, inputs, kernel_px, kernel_px) * (2 / (9 * inputs)) ** 0.5
        found[f"{name}.bias"] = make(channels)

    def block(name: str, inputs: int, channels: int) -> None:
        conv(f"{name}.conv_s1", inputs, channels)
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.bn_s1.{leaf}"] = make(channels).abs() + 0.5
        found[f"{name}.bn_s1.num_batches_tracked"] = torch.tensor(7)

    names = [*(f"stage{k}" for k in range(1, 7)), *(f"stage{k}d" for k in range(5, 0, -1))]
    for name, depth, (inputs, middle, outside) in zip(names, u2net.DEPTHS, widths, strict=True):
        last = depth or 4
        block(f"{name}.rebnconvin", inputs, outside)
        for k in range(1, last + 1):
            block(f"{name}.rebnconv{k}", outside if k == 1 else middle, middle)
        for k in range(last - 1, 0, -1):
            block(f"{name}.rebnconv{k}d", 2 * middle, outside if k == 1 else middle)
    for k, stage in enumerate((10, 9, 8, 7, 6, 5), start=1):
        conv(f"side{k}", widths[stage][2], outputs)
    conv("outconv", 6 * outputs, outputs, kernel_px=1)
    return found


def _as_published(w: Weights, x: Tensor) -> Tensor:
    """The published U²-Net's computation, after figures 2 and 5 of its paper and with its checkpoints' names."""

    def up(h: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(h, size=like.shape[2:], mode="bilinear", align_corners=False)

    def block(name: str, h: Tensor, dilation: int = 1) -> Tensor:
        h = F.conv2d(h, w[f"{name}.conv_s1.weight"], w[f"{name}.conv_s1.bias"], padding=dilation, dilation=dilation)
        mean, var, gain, shift = (
            w[f"{name}.bn_s1.{leaf}"] for leaf in ("running_mean", "running_var", "weight", "bias")
        )
        return F.relu(F.batch_norm(h, mean, var, gain, shift))

    def stage(name: str, depth: int | None, h: Tensor) -> Tensor:
        last = depth or 4
        entry = block(f"{name}.rebnconvin", h)
        skips, h = [], entry
        for k in range(1, last):
            pooled = depth is not None and k > 1
            h = block(
                f"{name}.rebnconv{k}",
                F.max_pool2d(h, 2, 2, ceil_mode=True) if pooled else h,
                *([] if depth else [2 ** (k - 1)]),
            )
            skips.append(h)
        h = block(f"{name}.rebnconv{last}", h, 2 if depth else 8)
        for k in range(last - 1, 0, -1):
            h = torch.cat((up(h, skips[k - 1]), skips[k - 1]), 1)
            h = block(f"{name}.rebnconv{k}d", h, *([] if depth else [2 ** (k - 1)]))
        return h + entry

    downs, h = [], x
    for k in range(1, 7):
        h = stage(f"stage{k}", u2net.DEPTHS[k - 1], h if k == 1 else F.max_pool2d(h, 2, 2, ceil_mode=True))
        downs.append(h)
    maps = [downs[5]]
    for k in range(5, 0, -1):
        h = stage(f"stage{k}d", u2net.DEPTHS[11 - k], torch.cat((up(h, downs[k - 1]), downs[k - 1]), 1))
        maps.insert(0, h)
    sides = [F.conv2d(h, w[f"side{k}.weight"], w[f"side{k}.bias"], padding=1) for k, h in enumerate(maps, start=1)]
    return F.conv2d(torch.cat([up(side, sides[0]) for side in sides], 1), w["outconv.weight"], w["outconv.bias"])


@torch.inference_mode()
def test_u2netp_computes_what_was_published_when_its_norms_are_folded(tmp_path: Path) -> None:
    """Foreground and background are the published sigmoid, from the published names, at an odd size."""
    weights = _published_u2net(u2net.SMALL, 1)
    network = load_network(at_hand("u2netp", tmp_path, {f"module.{name}": w for name, w in weights.items()}))
    x = torch.randn(1, 3, 67, 50, generator=torch.Generator().manual_seed(1))
    expected = _as_published(weights, x)
    found = network(x)
    assert found.shape == (1, 2, 67, 50)
    torch.testing.assert_close(found[:, 1:], expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    torch.testing.assert_close(found.softmax(1)[:, 1:], expected.sigmoid(), rtol=1e-3, atol=1e-3)


THIN: u2net.Widths = tuple((max(3, a // 16), max(1, b // 16), c // 16) for a, b, c in u2net.LARGE)


@torch.inference_mode()
def test_u2net_parses_three_kinds_of_clothes_when_it_has_four_outputs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The cloth network's stages have widths of their own; here a sixteenth of them, to be quick."""
    monkeypatch.setitem(ARCHITECTURES, "u2net", replace(ARCHITECTURES["u2net"], build=lambda n: u2net.U2Net(n, THIN)))
    weights = _published_u2net(THIN, 4)
    network = load_network(at_hand("u2net-cloth-seg", tmp_path, weights))
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network(x), _as_published(weights, x), rtol=1e-4, atol=1e-2)


def test_large_u2net_has_the_published_shapes_when_built() -> None:
    """Every weight of the full network, 176 MB, has its place, name and shape."""
    with torch.device("meta"):
        ours = u2net.large(4).state_dict()
    renamed = u2net.from_published(_published_u2net(u2net.LARGE, 4, lambda *shape: torch.zeros(()).expand(shape)))
    assert {name: w.shape for name, w in renamed.items()} == {name: w.shape for name, w in ours.items()}


@pytest.mark.parametrize("card_id", ["lraspp-mobilenet-v3-large"])
def test_torchvisions_network_loads_when_its_checkpoint_has_a_head_for_training(card_id: str, tmp_path: Path) -> None:
    """A checkpoint by torchvision's names loads; the auxiliary head is left out; only persons are garments."""
    card = load_card(card_id)
    network = ARCHITECTURES[card.architecture].build(len(card.classes))
    weights = {name.removeprefix("net."): w for name, w in network.state_dict().items()}
    assert "backbone.0.0.weight" in weights
    for name in [name for name in weights if name.startswith("classifier.") and name.endswith("_classifier.bias")]:
        # Class 15 is the person.
        weights[name] = torch.zeros(21) + 100 * (torch.arange(21) == 15)
    weights["aux_classifier.0.weight"] = torch.zeros(1)
    card = at_hand(card_id, tmp_path, weights, input_px=(64, 64))
    (found,) = TorchSegmenter(card, threads=1).segment([SegmentationInput(np.zeros((64, 64, 3), np.uint8), 40, 30)])
    assert isinstance(found, Segmentation)
    assert found.labels.shape == (30, 40)
    assert np.unique(found.labels).tolist() == [UNKNOWN]


def test_deeplab_has_torchvisions_shapes_when_built() -> None:
    """It has the names of the published checkpoint and, as asked, 21 outputs."""
    with torch.device("meta"):
        weights = ARCHITECTURES["deeplabv3_resnet50"].build(21).state_dict()
    assert {"net.backbone.conv1.weight", "net.classifier.4.bias"} <= set(weights)
    assert weights["net.classifier.4.bias"].shape == (21,)


# --- our classes ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("card_id", "expected"),
    [
        ("u2netp", {"foreground": "unknown"}),
        ("u2net-cloth-seg", {"upper body": "top", "lower body": "bottom", "full body": "full_body"}),
        ("lraspp-mobilenet-v3-large", {"person": "unknown"}),
        ("deeplabv3-resnet50", {"person": "unknown"}),
        ("segformer-b2-clothes", {"Upper-clothes": "top", "Skirt": "bottom", "Pants": "bottom", "Dress": "full_body"}),
    ],
)
def test_clothes_are_mapped_when_a_card_is_read(card_id: str, expected: dict[str, str]) -> None:
    """Each card's clothes, and no other outputs of it, are clothes of ours."""
    clothes = ("top", "outerwear", "bottom", "full_body", "unknown")
    classes = load_card(card_id, allow_non_commercial=True).classes
    assert {theirs: ours for theirs, ours in classes.items() if ours in clothes} == expected
    assert next(iter(classes.values())) == "background"


def test_outputs_are_in_the_published_order_when_segformer_is_mapped() -> None:
    """ATR's 18 classes by number: shoes left and right, legs and arms are skin, bag and belt accessories."""
    classes = load_card("segformer-b2-clothes", allow_non_commercial=True).classes
    assert list(classes) == [
        *("Background", "Hat", "Hair", "Sunglasses", "Upper-clothes", "Skirt", "Pants", "Dress", "Belt"),
        *("Left-shoe", "Right-shoe", "Face", "Left-leg", "Right-leg", "Left-arm", "Right-arm", "Bag", "Scarf"),
    ]
    by_ours = {ours: [theirs for theirs in classes if classes[theirs] == ours] for ours in set(classes.values())}
    assert by_ours["shoes"] == ["Left-shoe", "Right-shoe"]
    assert by_ours["skin"] == ["Face", "Left-leg", "Right-leg", "Left-arm", "Right-arm"]
    assert by_ours["accessory"] == ["Hat", "Sunglasses", "Belt", "Bag", "Scarf"]
    assert list(load_card("lraspp-mobilenet-v3-large").classes)[15] == "person"


def test_labels_are_indices_of_ours_when_named() -> None:
    """A garment of unknown kind has a label of its own."""
    assert [label_of(name) for name in CLASSES] == list(range(len(CLASSES)))
    assert label_of("unknown") == UNKNOWN


# --- what is optional -----------------------------------------------------------------------------------------
def test_the_extra_is_named_when_segformer_lacks_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without transformers the error says what to install; a checkpoint alone does not ask for it."""
    monkeypatch.setitem(sys.modules, "transformers", None)  # importing it fails
    with pytest.raises(ModelError, match=r"pip install 'stylesync-colormatch\[segformer\]'"):
        load_network(at_hand("segformer-b2-clothes", tmp_path, {"a": torch.zeros(1)}))


class _FakeConfig:
    def __init__(self, *, num_labels: int, hidden_sizes: list[int], **shape: Any) -> None:
        self.num_labels, self.hidden_sizes, self.shape = num_labels, hidden_sizes, shape


class _FakeSegformer(nn.Module):
    """Stands for transformers' class: built by a configuration, filled from published names."""

    def __init__(self, config: _FakeConfig) -> None:
        super().__init__()
        self.config = config
        self.renamed = nn.Conv2d(3, config.num_labels, 4, stride=4)

    @classmethod
    def from_pretrained(cls, source: None, *, config: Any, state_dict: Any, output_loading_info: bool) -> Any:
        assert source is None, "nothing is downloaded"
        assert output_loading_info
        made = cls(config)
        missing = made.load_state_dict({f"renamed.{name}": w for name, w in state_dict.items()}, strict=False)
        report = {"missing_keys": set(missing.missing_keys), "unexpected_keys": set(), "mismatched_keys": set()}
        return made, report

    def forward(self, pixel_values: Tensor) -> Any:
        return type("Answer", (), {"logits": self.renamed(pixel_values)})


@pytest.fixture
def transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the optional package."""
    fake = {"SegformerConfig": _FakeConfig, "SegformerForSemanticSegmentation": _FakeSegformer}
    monkeypatch.setitem(sys.modules, "transformers", type("transformers", (), fake))


@pytest.mark.usefixtures("transformers")
def test_segformer_gives_logits_when_the_extra_is_there(tmp_path: Path) -> None:
    """It is built and filled by transformers itself, from the file alone."""
    weights = {"weight": torch.zeros(18, 3, 4, 4), "bias": 100.0 * (torch.arange(18) == 7)}  # a dress everywhere
    card = at_hand("segformer-b2-clothes", tmp_path, weights, input_px=(32, 32))
    (found,) = TorchSegmenter(card, threads=1).segment([SegmentationInput(np.zeros((32, 32, 3), np.uint8), 16, 24)])
    assert isinstance(found, Segmentation)
    assert np.unique(found.labels).tolist() == [CLASSES.index("full_body")]


@pytest.mark.usefixtures("transformers")
def test_segformer_is_refused_when_transformers_misses_a_weight(tmp_path: Path) -> None:
    """Missing weights, which transformers would fill with noise and a warning, are an error here."""
    card = at_hand("segformer-b2-clothes", tmp_path, {"weight": torch.zeros(18, 3, 4, 4)})
    with pytest.raises(ModelError, match=r"do not fit 'segformer_b2': missing_keys: renamed\.bias"):
        load_network(card)


@pytest.mark.parametrize("card_id", FETCHED)
def test_a_card_tells_where_from_when_its_weights_are_not_packaged(card_id: str) -> None:
    """Each card has an address, a known architecture, and weights below fetched/."""
    card = load_card(card_id, allow_non_commercial=True)
    assert card.url is not None
    assert card.url.startswith("https://")
    assert card.architecture in ARCHITECTURES
    assert card.weights.startswith("fetched/")


# --- refused --------------------------------------------------------------------------------------------------
class _Evil:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return exec, ("raise SystemExit('run')",)


@pytest.mark.parametrize(
    "save",
    [
        lambda thing, path: torch.save(thing, path),
        lambda thing, path: path.write_bytes(pickle.dumps(thing, protocol=2)),
    ],
)
@pytest.mark.parametrize("thing", [_Evil(), {"weight": _Evil()}])
def test_nothing_is_run_when_a_checkpoint_holds_code(
    tmp_path: Path, thing: Any, save: Callable[[Any, Path], None]
) -> None:
    """A pickle that would run something is refused, and nothing of it runs."""
    card = at_hand("u2netp", tmp_path, {})
    save(thing, Path(card.weights))
    with pytest.raises(ModelError, match=r"'u2netp' cannot be read: u2netp\.pth is no file of tensors"):
        load_network(replace(card, sha256=sha256_of(Path(card.weights))))


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("data", [b"", b"<!doctype html>" * 9, b"PK\x03\x04" + bytes(50)])
def test_a_file_is_refused_when_it_is_no_file_of_tensors(tmp_path: Path, name: str, data: bytes) -> None:
    """Empty files, web pages and broken archives get one clear sentence, whatever their suffix."""
    path = tmp_path / name
    path.write_bytes(data)
    card = replace(load_card("u2netp"), weights=str(path), sha256=sha256_of(path))
    with pytest.raises(ModelError, match=f"cannot be read: {name} is no file of tensors"):
        load_network(card)


def test_a_checkpoint_is_refused_when_it_holds_more_than_tensors(tmp_path: Path) -> None:
    """A training checkpoint with its step count is not the weights."""
    card = at_hand("u2netp", tmp_path, {})
    torch.save({"model": {"a": torch.zeros(1)}, "step": 3}, card.weights)
    with pytest.raises(ModelError, match="holds more than tensors by name"):
        load_network(replace(card, sha256=sha256_of(Path(card.weights))))


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({"weight": torch.zeros(2, 3, 2, 2)}, "Missing key"),
        ({"weight": torch.zeros(9, 3, 2, 2), "bias": torch.zeros(2)}, "size mismatch"),
        ({"weight": torch.zeros(2, 3, 2, 2), "bias": torch.zeros(2), "more": torch.zeros(1)}, "Unexpected key"),
    ],
)
def test_weights_are_refused_when_they_are_another_networks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weights: Weights, reason: str
) -> None:
    """Weights that do not fit say so in one line, with the first difference."""
    monkeypatch.setitem(ARCHITECTURES, "tiny", Architecture(lambda classes: nn.Conv2d(3, classes, 2)))
    card = at_hand("u2netp", tmp_path, weights, architecture="tiny")
    with pytest.raises(ModelError, match=f"'u2netp' do not fit 'tiny': .*{reason}"):
        load_network(card)


def test_known_architectures_are_named_when_a_card_asks_for_another(tmp_path: Path) -> None:
    """The error for a misspelt architecture lists the known ones."""
    card = at_hand("u2netp", tmp_path, {}, architecture="u3net")
    with pytest.raises(ModelError, match=r"architecture 'u3net'; known are: .*u2netp"):
        load_network(card)


def test_a_wrapped_network_gives_its_logits_when_called() -> None:
    """The wrapper extracts the logits from the other package's answer."""
    assert torch.equal(Wrapped(nn.Identity(), lambda answer: answer + 1)(torch.zeros(2)), torch.ones(2))
