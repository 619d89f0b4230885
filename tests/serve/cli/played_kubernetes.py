"""Plays kubectl and KubeRay for the tests of a rollout."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from serve.cli import rollout
from serve.local.plan import REPOSITORY

# The images of the release that runs.
OLD = {kind: f"registry.test/colormatch@sha256:{digit * 64}" for kind, digit in (("cpu", "1"), ("gpu", "2"))}


@dataclass(slots=True)
class Kubernetes:
    """A played kubectl and KubeRay: after a change, the new cluster serves once the RayService was asked for twice.

    service: the RayService. broken: images that never serve. refuses: what `kubectl apply` fails with.
    """

    service: dict[str, Any] | None
    clusters: dict[str, Any]
    broken: tuple[str, ...] = ()
    refuses: str = ""
    commands: list[tuple[str, ...]] = field(default_factory=list)
    looks: int = 0

    def __call__(self, *arguments: str) -> str:
        """Carries out one command."""
        self.commands.append(arguments)
        verb = arguments[0]
        if verb == "get" and self.service is None:
            raise rollout.RolloutFailed("kubectl get says: Error from server (NotFound): rayservices not found")
        if verb == "get":
            self._reconcile()
            return json.dumps(self.service if arguments[1] == "rayservice" else self.clusters[arguments[2]])
        if verb == "apply" and self.refuses:
            raise rollout.RolloutFailed(self.refuses)
        if verb == "apply" and "--dry-run=server" not in arguments:
            self._change(_patched(Path(arguments[2])))
        if verb == "patch":
            (file,) = (option.partition("=")[2] for option in arguments if option.startswith("--patch-file="))
            (step,) = json.loads(Path(file).read_text())
            assert (step["op"], step["path"]) == ("replace", "/spec")
            self._change(step["value"])
        return "rayservice.ray.io/stylesync-colormatch configured"

    def _change(self, spec: dict[str, Any]) -> None:
        before = self.service or {"metadata": {"generation": 0}, "status": {}}
        self.service = {**before, "spec": spec, "metadata": {"generation": before["metadata"]["generation"] + 1}}
        self.looks = 0

    def _reconcile(self) -> None:
        assert self.service is not None
        self.looks += 1
        text = json.dumps(self.service["spec"])
        if self.looks <= 2 or any(image in text for image in self.broken):
            return
        generation = self.service["metadata"]["generation"]
        self.clusters[f"cluster-{generation}"] = {"spec": self.service["spec"]["rayClusterConfig"]}
        self.service["status"] = {
            "observedGeneration": generation,
            "conditions": [{"type": "Ready", "status": "True"}],
            "activeServiceStatus": {
                "rayClusterName": f"cluster-{generation}",
                "applicationStatuses": {"colormatch": {"status": "RUNNING"}},
            },
        }

    def images(self) -> dict[str, str]:
        """The images of the RayService's head and groups."""
        assert self.service is not None
        cluster = self.service["spec"]["rayClusterConfig"]
        groups = {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
        return {name: _image(group) for name, group in {"head": cluster["headGroupSpec"], **groups}.items()}

    def verbs(self) -> list[str]:
        """The commands that changed something, in order."""
        return [command[0] for command in self.commands if command[0] != "get"]


def _patched(folder: Path) -> dict[str, Any]:
    """The shipped spec with the patches of a kustomization."""
    service: dict[str, Any] = {"spec": spec_of(OLD)}
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert (folder / kustomization["resources"][0]).resolve() == REPOSITORY / "configs/kubernetes/staging"
    (patch,) = kustomization["patches"]
    for step in yaml.safe_load(patch["patch"]):
        place, _, last = step["path"].rpartition("/")
        rollout.at(service, place)[last] = step["value"]
    spec: dict[str, Any] = service["spec"]
    return spec


def _image(group: dict[str, Any]) -> str:
    return str(group["template"]["spec"]["containers"][0]["image"])


def spec_of(images: dict[str, str]) -> dict[str, Any]:
    """The shipped RayService's spec with these images."""
    base = REPOSITORY / "configs/kubernetes/base/rayservice.yaml"
    spec: dict[str, Any] = next(yaml.safe_load_all(base.read_text()))["spec"]
    cluster = spec["rayClusterConfig"]
    for group, kind in (
        (cluster["headGroupSpec"], "cpu"),
        *zip(cluster["workerGroupSpecs"], ("cpu", "gpu"), strict=True),
    ):
        group["template"]["spec"]["containers"][0]["image"] = images[kind]
    return spec
