"""An application with a second network beside the first: its config, its weights, and live changes of its share."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from models.cards import DEFAULT_MODEL, WEIGHTS_DIR, OnnxFile, load_card
from tests.cluster.application import LAUNCHER, Application, Launch, Remains, launch, stop, wait_until_ready
from tests.cluster.conftest import AMPLE_MS, local_config
from tests.cluster.test_metrics import total

NEXT = "lite0-next"


class SecondNetwork:
    """A running application in which the default network runs a second time, under another name.

    folder: for the weights and the config. share and mode: as in `Advice`'s user_config. build: the import path of the
    application.
    """

    def __init__(self, folder: Path, *, share: float, mode: str, build: str = "serve.app:build") -> None:
        self._variables, self._build = _volume(folder), build
        config = folder / "serve.yaml"
        config.write_text(yaml.safe_dump(self._config(share, mode)))
        self.application: Application = wait_until_ready(launch(folder / "dev", LAUNCHER, CONFIG=str(config)))
        self.client = self.application.client()

    def put(self, share: float, mode: str) -> None:
        """Changes the share and the mode, live."""
        config = self._config(share, mode)
        config["http_options"]["port"] = int(self.application.launch.port)
        with self.application.ray_client() as ray:
            ray.put("/api/serve/applications/", json=config).raise_for_status()

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric over all replicas."""
        return total(self.client, f"colormatch_{name}", **labels)

    def stop(self, interrupt: Callable[[Launch], None]) -> Remains:
        """Ends the application."""
        self.client.close()
        return stop(self.application.launch, interrupt)

    def _config(self, share: float, mode: str) -> dict[str, Any]:
        """The local config with a second network."""
        config = local_config(budget_ms=AMPLE_MS)
        (application,) = config["applications"]
        application["import_path"] = self._build
        application["args"] = {"canary": True, "cors_origins": ["localhost"]}
        deployments = {one["name"]: one for one in application["deployments"]}
        deployments["Advice"]["user_config"]["canary"] = {"share": share, "mode": mode}
        options = {"num_cpus": 0.2, "runtime_env": {"env_vars": self._variables}}
        canary = {**deployments["Segmentation"], "name": "SegmentationCanary", "ray_actor_options": options}
        application["deployments"].append(canary)
        return config


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
        "SEGMENTATION_NICE": "19",
    }
