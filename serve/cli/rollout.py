"""Rolls a release out on Kubernetes, checks it, and returns to the one before when a check fails.

`python3 -m serve.cli.rollout production --version 0.1.0 --cpu IMAGE@sha256:… --gpu IMAGE@sha256:…` (docs/release.md).
It needs a checkout of the release, kubectl with the right context, and no package. SERVICE_URL is the service's public
address, SERVICE_KEY a key with the scopes `advice` and `metrics`. Without --cpu and --gpu the images stay. Without an
environment it changes nothing and makes the two checks alone, for clusters of VMs.
"""

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
OVERLAYS = REPOSITORY / "configs" / "kubernetes"
GOLDEN = REPOSITORY / "configs" / "release" / "golden.json"
NAME = "stylesync-colormatch"
DIGEST = re.compile(r"^[a-z0-9.:/_-]+@sha256:[0-9a-f]{64}$")
CLUSTER, CONTAINER = "/spec/rayClusterConfig", "template/spec/containers/0/image"
# The gauge that each replica sets. Those of all replicas are added up, so its value says nothing.
BUILD_INFO = re.compile(r'^colormatch_build_info\{[^}]*version="([^"]*)"', re.MULTILINE)
# Where the image of each kind of node stands in the RayService.
PLACES = {
    "cpu": (f"{CLUSTER}/headGroupSpec/{CONTAINER}", f"{CLUSTER}/workerGroupSpecs/0/{CONTAINER}"),
    "gpu": (f"{CLUSTER}/workerGroupSpecs/1/{CONTAINER}",),
}
# Taste: how far each channel of a colour may be from the golden one, of 255. Other devices round differently.
NEAR = 6
# Taste: how long an answer may take, s.
ANSWER_S = 30.0


class RolloutFailed(Exception):
    """The release does not serve as it should; the one argument says why."""


def run_kubectl(*arguments: str) -> str:
    """What kubectl prints. Raises RolloutFailed with its message when it fails."""
    done = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode:
        raise RolloutFailed(f"kubectl {arguments[0]} says: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Site:
    """One environment: its overlay, the service's address and key, and kubectl.

    within_s: how long a cluster may take to serve. poll_s: how often to look. settle_s: how long Serve may take to
    begin with a changed config. follow_s: how long the balancer may take to find new pods.
    """

    environment: str
    url: str
    key: str
    kubectl: Callable[..., str] = run_kubectl
    within_s: float = 1500.0
    poll_s: float = 5.0
    settle_s: float = 30.0
    follow_s: float = 120.0

    @property
    def namespace(self) -> str:
        """The namespace that the overlay names."""
        text = (OVERLAYS / self.environment / "kustomization.yaml").read_text()
        return str(re.findall(r"^namespace: (\S+)$", text, re.MULTILINE)[0])

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """An object of the cluster. Raises RolloutFailed when it is not there."""
        return dict(json.loads(self.kubectl("get", kind, name, "--namespace", self.namespace, "--output", "json")))

    def wait(self, what: str, done: Callable[[], bool], within_s: float | None = None) -> None:
        """Waits for a condition. Raises RolloutFailed with what was waited for when it takes too long."""
        end_s = time.monotonic() + (self.within_s if within_s is None else within_s)
        while not done():
            if time.monotonic() > end_s:
                raise RolloutFailed(f"It took too long: {what}.")
            time.sleep(self.poll_s)

    def ask(self, path: str, *, data: bytes | None = None, content_type: str = "application/json") -> str:
        """The service's answer to a request. Raises RolloutFailed for an error."""
        headers = {"X-API-Key": self.key, **({"Content-Type": content_type} if data else {})}
        request = urllib.request.Request(f"{self.url}{path}", data, headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
                return str(answer.read().decode())
        except (OSError, http.client.HTTPException) as error:
            raise RolloutFailed(f"{path} answers: {error}") from error


def say(text: str) -> None:
    """Prints progress."""
    print(text, flush=True)  # noqa: T201


# --- the change ---------------------------------------------------------------------------------------------------
def at(document: Any, pointer: str) -> Any:
    """What a JSON pointer leads to."""
    for part in pointer.strip("/").split("/"):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def images_of(service: Mapping[str, Any]) -> dict[str, str]:
    """The image of each kind of node of a RayService."""
    return {kind: str(at(service, places[0])) for kind, places in PLACES.items()}


def kustomization(environment: str, images: Mapping[str, str]) -> str:
    """A kustomization of an overlay that sets the images. JSON is YAML too."""
    steps = [
        {"op": "replace", "path": place, "value": images[kind]} for kind, places in PLACES.items() for place in places
    ]
    patch = {"target": {"kind": "RayService", "name": NAME}, "patch": json.dumps(steps)}
    return json.dumps(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"../{environment}"],
            "patches": [patch],
        }
    )


def apply(site: Site, images: Mapping[str, str], *options: str) -> str:
    """Applies the overlay with these images. Gives what kubectl prints."""
    with tempfile.TemporaryDirectory(prefix="rollout-", dir=OVERLAYS) as folder:
        (Path(folder) / "kustomization.yaml").write_text(kustomization(site.environment, images))
        return site.kubectl("apply", "--kustomize", folder, *options)


def serves(site: Site, images: Mapping[str, str]) -> bool:
    """Whether KubeRay has taken in the change, and the cluster with these images is the one that serves."""
    service = site.get("rayservice", NAME)
    status = service.get("status", {})
    conditions = {one["type"]: one["status"] for one in status.get("conditions", [])}
    active = status.get("activeServiceStatus", {})
    if status.get("observedGeneration") != service["metadata"]["generation"] or conditions.get("Ready") != "True":
        return False
    applications = active.get("applicationStatuses", {}).values()
    if not applications or any(one.get("status") != "RUNNING" for one in applications):
        return False
    cluster = site.get("raycluster", active["rayClusterName"])
    # A RayCluster's spec is the RayService's rayClusterConfig.
    return images_of({"spec": {"rayClusterConfig": cluster["spec"]}}) == dict(images)


# --- the checks ---------------------------------------------------------------------------------------------------
def check(site: Site, version: str) -> None:
    """Raises RolloutFailed unless the service has this version and answers the golden photo."""
    check_version(site, version)
    say(f"build_info is {version}.")
    check_photo(site)
    say("The golden photo is answered as it should.")


def check_version(site: Site, version: str) -> None:
    """Raises RolloutFailed unless every replica that is counted has this version, soon."""
    found = set[str]()

    def is_there() -> bool:
        found.clear()
        with suppress(RolloutFailed):
            found.update(BUILD_INFO.findall(site.ask("/v1/metrics")))
        return found == {version}

    try:
        site.wait("the new version answers", is_there, site.follow_s)
    except RolloutFailed:
        seen = ", ".join(sorted(found)) or "none"
        raise RolloutFailed(f"build_info is {seen}; it must be {version}.") from None


def check_photo(site: Site) -> None:
    """Raises RolloutFailed unless one photo's answer is whole, with the garments and colours of golden.json."""
    golden = json.loads(GOLDEN.read_text())
    boundary = "golden-photo"
    photo = (REPOSITORY / golden["photo"]).read_bytes()
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{{}}"{{}}\r\n\r\n'
    data = b"".join(
        (
            head.format("options", "").encode() + b'{"cache": "bypass"}\r\n',
            head.format("image", '; filename="photo.webp"\r\nContent-Type: image/webp').encode() + photo,
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )
    answer = json.loads(site.ask("/v1/advice", data=data, content_type=f"multipart/form-data; boundary={boundary}"))
    if answer["degraded"]:
        raise RolloutFailed(f"The golden photo's answer is degraded: {', '.join(answer['degraded'])}.")
    garments = [one for one in answer["garments"] if one["colors"]]
    found = [{"category": one["category"], "main": one["colors"][0]["hex"]} for one in garments]
    wanted = golden["garments"]
    alike = len(found) == len(wanted) and all(
        one["category"] == other["category"] and _near(one["main"], other["main"])
        for one, other in zip(found, wanted, strict=True)
    )
    if not alike:
        raise RolloutFailed(f"The golden photo shows {json.dumps(found)}; it must show {json.dumps(wanted)}.")


def _near(one: str, other: str) -> bool:
    channels = zip(bytes.fromhex(one[1:]), bytes.fromhex(other[1:]), strict=True)
    return all(abs(first - second) <= NEAR for first, second in channels)


# --- there and back -----------------------------------------------------------------------------------------------
def roll_out(site: Site, version: str, images: Mapping[str, str]) -> None:
    """Applies, waits and checks. When anything of it fails, the RayService before comes back.

    Raises RolloutFailed, also once the release before serves again.
    """
    before = _present(site)
    images = {**(images_of(before) if before else {}), **images}
    if set(images) != set(PLACES):
        raise RolloutFailed(f"There is no RayService {NAME} yet, so both --cpu and --gpu are needed.")
    try:
        say(apply(site, images).strip())
        # KubeRay says that the old config serves until it has handed over the new one.
        if before and images == images_of(before):
            time.sleep(site.settle_s)
        site.wait("the cluster with the new images serves", lambda: serves(site, images))
        say("The new cluster serves.")
        check(site, version)
    except BaseException as error:
        say(f"This release does not serve: {error or type(error).__name__}")
        if before is None:
            say("There is no release before this one to return to.")
        else:
            _return(site, before)
        raise


def _present(site: Site) -> dict[str, Any] | None:
    try:
        return site.get("rayservice", NAME)
    except RolloutFailed as error:
        if "NotFound" in str(error):
            return None
        raise


def _return(site: Site, before: Mapping[str, Any]) -> None:
    """Puts the spec before back. While the old cluster is there it serves on; else KubeRay starts it again."""
    say("Returning to the release before.")
    with tempfile.TemporaryDirectory(prefix="rollout-") as folder:
        patch = Path(folder) / "patch.json"
        patch.write_text(json.dumps([{"op": "replace", "path": "/spec", "value": before["spec"]}]))
        site.kubectl("patch", "rayservice", NAME, "--namespace", site.namespace, "--type=json", f"--patch-file={patch}")
    site.wait("the release before serves again", lambda: serves(site, images_of(before)))
    say("The release before serves.")


def main(arguments: list[str]) -> int:
    """Rolls out. The exit status is 1 when the release before serves again, or nothing was changed."""
    parser = argparse.ArgumentParser(prog="serve.cli.rollout", description=__doc__)
    environments = sorted(path.name for path in OVERLAYS.iterdir() if path.name != "base")
    parser.add_argument("environment", nargs="?", choices=environments, help="without it the service is only checked")
    parser.add_argument("--version", required=True, help="what build_info must say, such as 0.1.0")
    for kind in PLACES:
        parser.add_argument(f"--{kind}", help="an image by digest; without it the present one stays")
    parser.add_argument("--dry-run", action="store_true", help="let the cluster check the manifests; change nothing")
    given = parser.parse_args(arguments)
    images = {kind: image for kind in PLACES if (image := getattr(given, kind))}
    for kind, image in images.items():
        if not DIGEST.match(image):
            parser.error(f"--{kind} is {image!r}; it must be an image by digest, such as registry/name@sha256:….")
    url, key = os.environ.get("SERVICE_URL", "").rstrip("/"), os.environ.get("SERVICE_KEY", "")
    site = Site(given.environment or "", url, key)
    if not given.dry_run and not (url and key):
        parser.error("SERVICE_URL and SERVICE_KEY must be set: a release that nobody asks is not checked.")
    try:
        if not given.environment:
            check(site, given.version)
        elif given.dry_run:
            say(apply(site, {**images_of(site.get("rayservice", NAME)), **images}, "--dry-run=server"))
        else:
            roll_out(site, given.version, images)
    except RolloutFailed as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
