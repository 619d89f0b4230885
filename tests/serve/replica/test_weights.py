"""Tests networks that are not in the image: from a bucket and from a volume, verified, or refused with the way out."""

import json
import re
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from models.cards import DEFAULT_MODEL, WEIGHTS_DIR, ModelCard, ModelError, OnnxFile, load_card
from models.engines.choice import choose, open_segmenter
from models.segmenter import SegmentationInput
from pipeline import codec
from pipeline.types import Segmentation as SegmentationResult
from serve.deployments import Segmentation, SegmentationCanary
from serve.replica.weights import network_of
from serve.settings import S3Environment, SegmentationSettings
from tests.s3_server import S3Server
from tests.serve.test_deployments import segment_request

NEXT = "lite0-next"
DATA = {
    "safetensors": (WEIGHTS_DIR / f"{DEFAULT_MODEL}.safetensors").read_bytes(),
    "onnx": (WEIGHTS_DIR / f"{DEFAULT_MODEL}.onnx").read_bytes(),
}
NOWHERE = S3Environment(endpoint_url="http://127.0.0.1:1", access_key_id="k", secret_access_key=SecretStr("s"))


def next_card(**changes: Any) -> ModelCard:
    """A card of a network that is not in the image, with the default's files under other names."""
    card = load_card(DEFAULT_MODEL)
    assert card.onnx
    onnx = OnnxFile(f"{NEXT}.onnx", card.onnx.sha256, card.onnx.bytes)
    return replace(card, id=NEXT, weights=f"{NEXT}.safetensors", onnx=onnx, **changes)


def published(card: ModelCard) -> tuple[dict[str, bytes], str]:
    """The files of a network by name, and the card's sha256."""
    text = json.dumps(asdict(card)).encode()
    files = {f"{NEXT}.json": text, **{f"{NEXT}.{ending}": data for ending, data in DATA.items()}}
    return files, sha256(text).hexdigest()


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A mounted volume with a network."""
    for name, data in published(next_card())[0].items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def settings(card: Path | str, card_sha256: str = published(next_card())[1], **more: Any) -> SegmentationSettings:
    """The settings of a replica."""
    return SegmentationSettings(card=str(card), card_sha256=card_sha256, **more)


def opened(given: SegmentationSettings, s3: S3Environment = NOWHERE) -> tuple[ModelCard, list[str]]:
    """The card that a replica opens, and the names of the files that are then here."""
    with network_of(given, s3, lambda card: choose(card, engine=given.engine).engine, pause=lambda _: None) as card:
        file = card.onnx.file if given.engine == "openvino" and card.onnx else card.weights
        return card, sorted(path.name for path in Path(file).parent.iterdir())


def refusal(given: SegmentationSettings, s3: S3Environment = NOWHERE) -> str:
    """Why a replica does not start."""
    with pytest.raises(ModelError) as caught:
        opened(given, s3)
    return str(caught.value)


@pytest.mark.parametrize(("engine", "ending"), [("openvino", "onnx"), ("torch", "safetensors")])
def test_the_file_of_the_engine_is_brought_when_a_volume_has_the_network(
    volume: Path, engine: Any, ending: str
) -> None:
    """The card comes with the one file that its engine runs, and nothing is left behind."""
    given = settings(volume / f"{NEXT}.json", engine=engine)
    card, names = opened(given)
    assert (card.id, names) == (NEXT, [f"{NEXT}.{ending}"])
    file = card.onnx.file if engine == "openvino" and card.onnx else card.weights
    assert not Path(file).exists()


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_a_network_of_a_volume_answers_as_that_of_the_image(volume: Path, engine: Any) -> None:
    """Equal weights give equal labels; the version has the new name, so that caches keep them apart."""
    item = SegmentationInput(np.random.default_rng(0).integers(0, 255, (384, 384, 3), np.uint8), 96, 64)
    with network_of(settings(volume / f"{NEXT}.json"), NOWHERE, lambda _: str(engine)) as card:
        theirs = open_segmenter(card, engine=engine)
    ours = open_segmenter(load_card(DEFAULT_MODEL), engine=engine)
    assert np.array_equal(theirs.whole([item])[0].labels, ours.whole([item])[0].labels)
    assert theirs.version == ours.version.replace(DEFAULT_MODEL, NEXT)


def test_a_network_is_brought_when_a_bucket_has_it(s3: S3Server) -> None:
    """The bucket is that of the address; endpoint and credentials are the environment's."""
    files, digest = published(next_card())
    s3.make_bucket("models")
    s3.put("models", {f"lite/{name}": data for name, data in files.items()})
    address = f"s3://models/lite/{NEXT}.json"
    environment = s3.started.config("uploads")
    card, names = opened(settings(address, digest, engine="openvino"), environment)
    assert (card.id, names) == (NEXT, [f"{NEXT}.onnx"])
    s3.put("models", {f"lite/{NEXT}.onnx": DATA["onnx"][:-1] + b"!"})
    assert refusal(settings(address, digest, engine="openvino"), environment).startswith(
        f"s3://models/lite/{NEXT}.onnx has the sha256 "
    )
    assert refusal(settings("s3://models/nobody.json", digest), environment) == (
        f"s3://models/nobody.json cannot be read from {s3.url}: there is no such object, or these credentials may not "
        "read it. Upload it, mend SEGMENTATION_CARD, or give the nodes of this deployment S3 credentials or a role."
    )


def test_a_replica_says_so_when_the_store_does_not_answer() -> None:
    """After three tries the start fails, with the address and what to look at."""
    assert refusal(settings("s3://models/next.json")) == (
        "s3://models/next.json cannot be read: http://127.0.0.1:1 did not answer 3 times. Look at S3_ENDPOINT_URL, "
        "S3_REGION and the network of this node; Serve tries again."
    )


def test_a_wrong_card_is_refused_with_both_hashes(volume: Path) -> None:
    """The message has the address, the expected hash, the hash that was found, and the way out."""
    found = published(next_card())[1]
    assert refusal(settings(volume / f"{NEXT}.json", "A" * 64)) == (
        f"{volume}/{NEXT}.json has the sha256 {found}, but SEGMENTATION_CARD_SHA256 says {'a' * 64}: it is not used. "
        "Restore the file, or set SEGMENTATION_CARD_SHA256 to the hash of the card that you mean."
    )


@pytest.mark.parametrize(("engine", "ending"), [("openvino", "onnx"), ("torch", "safetensors")])
def test_wrong_weights_are_refused_with_both_hashes(volume: Path, engine: Any, ending: str) -> None:
    """One changed byte is enough, in either kind of file."""
    changed = DATA[ending][:-1] + bytes([DATA[ending][-1] ^ 1])
    (volume / f"{NEXT}.{ending}").write_bytes(changed)
    assert refusal(settings(volume / f"{NEXT}.json", engine=engine)) == (
        f"{volume}/{NEXT}.{ending} has the sha256 {sha256(changed).hexdigest()}, but the card "
        f"{volume}/{NEXT}.json says {sha256(DATA[ending]).hexdigest()}: it is not used. Restore the file, or publish a "
        "card with the hash of the file that you mean."
    )


def test_a_longer_file_is_refused_before_it_is_read(volume: Path) -> None:
    """The card names the size, so that no replica reads an endless file."""
    (volume / f"{NEXT}.onnx").write_bytes(DATA["onnx"] + b"more")
    given = settings(volume / f"{NEXT}.json", engine="openvino")
    assert f"has more than the {len(DATA['onnx'])} bytes that its card names: it is not used" in refusal(given)


def test_a_missing_volume_is_told(tmp_path: Path) -> None:
    """The message names the path and what to do."""
    assert refusal(settings(tmp_path / "next.json")) == (
        f"{tmp_path}/next.json cannot be read: No such file or directory. Mount the volume on the nodes of this "
        "deployment, or mend SEGMENTATION_CARD."
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"weights": "../secret.safetensors"}, "names the file '../secret.safetensors'"),
        ({"sha256": ""}, "with the sha256 ''; it must name a file beside it"),
        ({"non_commercial": True}, "is non-commercial: it must be allowed first"),
        ({"classes": {"x": "shirtish"}}, "maps to unknown classes: shirtish"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    """A card reaches no file outside its folder, vouches for its file, and is held to the rules of every card."""
    files, digest = published(replace(next_card(), **changes))
    (tmp_path / f"{NEXT}.json").write_bytes(files[f"{NEXT}.json"])
    assert told in refusal(settings(tmp_path / f"{NEXT}.json", digest, engine="torch"))


@pytest.mark.parametrize("kind", [Segmentation, SegmentationCanary])
async def test_a_replica_serves_a_network_of_a_volume(
    volume: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Segmentation]
) -> None:
    """A replica reads the card in its constructor, inside Serve's running loop, and answers under its version."""
    monkeypatch.setenv("SEGMENTATION_CARD", f"{volume}/{NEXT}.json")
    monkeypatch.setenv("SEGMENTATION_CARD_SHA256", published(next_card())[1])
    replica = kind()
    for path in volume.iterdir():
        path.unlink()
    found = codec.decode(await replica.run(segment_request()), SegmentationResult)
    assert re.match(rf"{NEXT}:{sha256(DATA['onnx']).hexdigest()[:12]}:\w+:cpu-openvino", found.version)
    text = replica._metrics.text().decode()
    component = {Segmentation: "segmentation", SegmentationCanary: "segmentation_canary"}[kind]
    assert f'colormatch_replicas{{component="{component}"}} 1.0' in text
    assert f'colormatch_compute_seconds_count{{phase="{component}"}} ' in text
