"""A second network in a running application: a stable split, comparisons, and photos when its replica is lost."""

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from models.cards import DEFAULT_MODEL, WEIGHTS_DIR, OnnxFile, load_card
from tests.cluster.application import (
    LAUNCHER,
    Application,
    interrupt_group,
    launch,
    photo_form,
    stop,
    wait_until,
    wait_until_ready,
)
from tests.cluster.conftest import AMPLE_MS, local_config
from tests.cluster.test_metrics import total

NEXT = "lite0-next"
PHOTOS = 8


def _volume(folder: Path) -> dict[str, str]:
    """A volume with the default network under another name, and the variables that name it."""
    card = load_card(DEFAULT_MODEL)
    assert card.onnx
    onnx = OnnxFile(f"{NEXT}.onnx", card.onnx.sha256, card.onnx.bytes)
    text = json.dumps(asdict(replace(card, id=NEXT, onnx=onnx))).encode()
    (folder / f"{NEXT}.json").write_bytes(text)
    (folder / f"{NEXT}.onnx").write_bytes((WEIGHTS_DIR / card.onnx.file).read_bytes())
    return {
        "SEGMENTATION_CARD": f"{folder}/{NEXT}.json",
        "SEGMENTATION_CARD_SHA256": sha256(text).hexdigest(),
        "SEGMENTATION_ENGINE": "openvino",
    }


def _config(variables: dict[str, str], share: float, mode: str) -> dict[str, Any]:
    """The local config with a second network."""
    config = local_config(budget_ms=AMPLE_MS)
    (application,) = config["applications"]
    application["args"] = {"canary": True, "cors_origins": ["localhost"]}
    deployments = {one["name"]: one for one in application["deployments"]}
    deployments["Advice"]["user_config"]["canary"] = {"share": share, "mode": mode}
    options = {"num_cpus": 0.2, "runtime_env": {"env_vars": variables}}
    canary = {**deployments["Segmentation"], "name": "SegmentationCanary", "ray_actor_options": options}
    application["deployments"].append(canary)
    return config


class Canaries:
    """A running application with a second network."""

    def __init__(self, application: Application, variables: dict[str, str], photos: list[bytes]) -> None:
        self.application = application
        self.client = application.client()
        self._variables = variables
        self._photos = photos

    def put(self, share: float, mode: str) -> None:
        """Changes the share and the mode, live."""
        config = _config(self._variables, share, mode)
        config["http_options"]["port"] = int(self.application.launch.port)
        with self.application.ray_client() as ray:
            ray.put("/api/serve/applications/", json=config).raise_for_status()

    def networks(self) -> list[str]:
        """The network that answered each photo, while four clients ask for all of them. No answer is degraded."""

        def asked(photo: bytes) -> str:
            answer = self.client.post("/v1/advice", **photo_form(photo, cache="bypass")).raise_for_status().json()
            assert answer["degraded"] == []
            return str(answer["versions"]["segmenter"].partition(":")[0])

        with ThreadPoolExecutor(4) as clients:
            return list(clients.map(asked, self._photos))

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric over all replicas."""
        return total(self.client, f"colormatch_{name}", **labels)


@pytest.fixture
def canaries(tmp_path: Path, astronaut: bytes) -> Iterator[Canaries]:
    """An application of which a half of the photos goes to the second network."""
    variables = _volume(tmp_path)
    config = tmp_path / "serve.yaml"
    config.write_text(yaml.safe_dump(_config(variables, 0.5, "split")))
    application = wait_until_ready(launch(tmp_path / "dev", LAUNCHER, CONFIG=str(config)))
    with Image.open(io.BytesIO(astronaut)) as image:
        photos = [_encoded(image, 256 + 8 * number) for number in range(PHOTOS)]
    found = Canaries(application, variables, photos)
    yield found
    found.client.close()
    stop(application.launch, interrupt_group)


def _encoded(image: Image.Image, side_px: int) -> bytes:
    file = io.BytesIO()
    image.resize((side_px, side_px)).save(file, "JPEG")
    return file.getvalue()


def test_a_canary_answers_its_share_and_is_compared_when_the_config_says_so(canaries: Canaries) -> None:
    """A photo meets one network. A live change to shadow leaves every answer to the first, and metrics compare them."""
    wait_until(lambda: canaries.total("canary_ready") == 1)
    first = canaries.networks()
    assert set(first) == {DEFAULT_MODEL, NEXT}
    assert canaries.networks() == first
    wait_until(lambda: canaries.total("canary_calls_total", mode="split", outcome="ok") == 2 * first.count(NEXT))
    wait_until(lambda: canaries.total("photos_total") == 2 * PHOTOS)
    assert canaries.total("replicas", component="segmentation_canary") == 1

    replicas = {name: canaries.application.replicas(name) for name in ("Advice", "SegmentationCanary")}
    canaries.put(1.0, "shadow")
    wait_until(lambda: set(canaries.networks()) == {DEFAULT_MODEL})
    wait_until(lambda: bool(canaries.networks()) and canaries.total("shadow_garments_total") > 0)
    assert canaries.total("shadow_label_agreement_sum") == canaries.total("shadow_label_agreement_count") > 0
    assert canaries.total("shadow_palette_de00_sum") == 0 < canaries.total("shadow_palette_de00_count")
    for role in ("main", "canary"):
        assert canaries.total("shadow_seconds_sum", role=role) > 0
    assert {name: canaries.application.replicas(name) for name in replicas} == replicas

    canaries.put(1.0, "split")
    wait_until(lambda: set(canaries.networks()) == {NEXT})
    for replica in canaries.application.replicas("SegmentationCanary"):
        replica.kill()
    assert DEFAULT_MODEL in canaries.networks()
