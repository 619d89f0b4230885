"""Tests the rollout of a release against a kubectl, a KubeRay and a service that are played."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.advice import advise
from serve.cli import rollout
from serve.local.plan import REPOSITORY
from serve.observe.metrics import Metrics
from serve.version import VERSION
from tests.serve.cli.played_kubernetes import OLD, Kubernetes, spec_of

GOLDEN = json.loads(rollout.GOLDEN.read_text())
NEW = {kind: f"registry.test/colormatch@sha256:{digit * 64}" for kind, digit in (("cpu", "a"), ("gpu", "b"))}


@dataclass(slots=True)
class Played:
    """A played service. metrics, answer: what it says; asked: what it was asked."""

    metrics: str = f'colormatch_build_info{{version="{VERSION}"}} 3.0\n'
    answer: dict[str, Any] = field(default_factory=lambda: golden_answer())
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    url: str = ""


def golden_answer() -> dict[str, Any]:
    """An answer to the golden photo, as the service gives it."""
    garments = [{"category": one["category"], "colors": [{"hex": one["main"]}]} for one in GOLDEN["garments"]]
    return {"degraded": [], "garments": garments}


@pytest.fixture
def service() -> Iterator[Played]:
    """A service on a port of its own."""
    played = Played()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._give(played.metrics.encode(), b"")

        def do_POST(self) -> None:
            self._give(json.dumps(played.answer).encode(), self.rfile.read(int(self.headers["Content-Length"])))

        def _give(self, body: bytes, sent: bytes) -> None:
            played.asked.append((self.path, self.headers["X-API-Key"], sent))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    played.url = f"http://127.0.0.1:{server.server_port}"
    yield played
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def kubernetes() -> Kubernetes:
    """A cluster that runs the old release."""
    played = Kubernetes({"metadata": {"generation": 1}, "spec": spec_of(OLD), "status": {}}, {})
    for _ in range(3):
        played("get", "rayservice")
    played.commands.clear()
    return played


def _roll_out(kubernetes: Kubernetes, service: Played, images: dict[str, str]) -> None:
    rollout.roll_out(_site(kubernetes, service), VERSION, images)


def _site(kubernetes: Kubernetes, service: Played) -> rollout.Site:
    return rollout.Site(
        "staging", service.url, "a-key", kubernetes, within_s=0.3, poll_s=0.01, settle_s=0.01, follow_s=0.1
    )


def test_a_release_serves_when_every_check_passes(kubernetes: Kubernetes, service: Played) -> None:
    """The images are set by digest, and the service is asked for its version and for the golden photo."""
    _roll_out(kubernetes, service, NEW)
    assert kubernetes.images() == {"head": NEW["cpu"], "cpu": NEW["cpu"], "gpu": NEW["gpu"]}
    assert kubernetes.verbs() == ["apply"]
    asked = {path: (key, sent) for path, key, sent in service.asked}
    assert set(asked) == {"/v1/metrics", "/v1/advice"}
    assert {key for key, _ in asked.values()} == {"a-key"}
    assert (REPOSITORY / GOLDEN["photo"]).read_bytes() in asked["/v1/advice"][1]


def test_the_release_before_returns_when_the_new_one_never_serves(
    kubernetes: Kubernetes, service: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    """The spec before comes back whole, and nobody asked the service."""
    kubernetes.broken = (NEW["gpu"],)
    with pytest.raises(rollout.RolloutFailed, match="took too long: the cluster with the new images serves"):
        _roll_out(kubernetes, service, NEW)
    assert "The release before serves." in capsys.readouterr().out
    assert kubernetes.verbs() == ["apply", "patch"]
    assert kubernetes.service is not None
    assert kubernetes.service["spec"] == spec_of(OLD)
    assert service.asked == []


@pytest.mark.parametrize(
    ("metrics", "answer", "said"),
    [
        ('colormatch_build_info{version="0.0.9"} 3.0\n', {}, f"build_info is 0.0.9; it must be {VERSION}."),
        ("", {}, f"build_info is none; it must be {VERSION}."),
        (None, {"degraded": ["segmentation"]}, "The golden photo's answer is degraded: segmentation."),
        (None, {"garments": []}, "The golden photo shows []; it must show"),
        (
            None,
            {"garments": [{**one, "colors": [{"hex": "#000000"}]} for one in golden_answer()["garments"]]},
            '"main": "#000000"',
        ),
    ],
    ids=["another version", "no version", "degraded", "no garments", "other colours"],
)
def test_the_release_before_returns_when_a_check_fails(
    kubernetes: Kubernetes, service: Played, metrics: str | None, answer: dict[str, Any], said: str
) -> None:
    """A new cluster that serves something else is left again."""
    service.metrics = service.metrics if metrics is None else metrics
    service.answer |= answer
    with pytest.raises(rollout.RolloutFailed) as raised:
        _roll_out(kubernetes, service, NEW)
    assert said in str(raised.value)
    assert kubernetes.verbs() == ["apply", "patch"]
    assert kubernetes.images() == {"head": OLD["cpu"], "cpu": OLD["cpu"], "gpu": OLD["gpu"]}


@pytest.mark.parametrize(("steps", "near"), [(6, True), (7, False)])
def test_colours_may_round_otherwise_when_the_device_differs(
    kubernetes: Kubernetes, service: Played, steps: int, near: bool
) -> None:
    """A main colour that is a few steps of 255 away is still the golden one."""
    color = service.answer["garments"][0]["colors"][0]
    color["hex"] = f"#{int(color['hex'][1:3], 16) - steps:02x}{color['hex'][3:]}"
    with nullcontext() if near else pytest.raises(rollout.RolloutFailed):
        _roll_out(kubernetes, service, NEW)


def test_the_release_before_returns_when_the_service_is_silent(kubernetes: Kubernetes, service: Played) -> None:
    """A connection that is refused is a failed check."""
    service.url = "http://127.0.0.1:9"
    with pytest.raises(rollout.RolloutFailed, match="build_info is none"):
        _roll_out(kubernetes, service, NEW)
    assert kubernetes.verbs() == ["apply", "patch"]


def test_the_images_stay_when_none_are_given(kubernetes: Kubernetes, service: Played) -> None:
    """A change of the manifests alone keeps the images that run."""
    _roll_out(kubernetes, service, {})
    assert kubernetes.images() == {"head": OLD["cpu"], "cpu": OLD["cpu"], "gpu": OLD["gpu"]}
    assert kubernetes.verbs() == ["apply"]


def test_nothing_returns_when_there_was_no_release(kubernetes: Kubernetes, service: Played) -> None:
    """The first release needs both images; without one before it, nothing is patched."""
    kubernetes.service = None
    with pytest.raises(rollout.RolloutFailed, match="both --cpu and --gpu are needed"):
        _roll_out(kubernetes, service, {"cpu": NEW["cpu"]})
    kubernetes.broken = (NEW["cpu"],)
    with pytest.raises(rollout.RolloutFailed, match="took too long"):
        _roll_out(kubernetes, service, NEW)
    assert kubernetes.verbs() == ["apply"]


def test_a_cluster_does_not_serve_yet_when_its_application_starts(kubernetes: Kubernetes, service: Played) -> None:
    """Ready with the right images is not enough: each application runs, and KubeRay has seen the change."""
    site = _site(kubernetes, service)
    assert rollout.serves(site, OLD)
    assert not rollout.serves(site, NEW)
    assert kubernetes.service is not None
    kubernetes.broken = (OLD["cpu"],)
    status = kubernetes.service["status"]
    active = status["activeServiceStatus"]
    for changed in (
        {"observedGeneration": 0},
        {"conditions": [{"type": "Ready", "status": "False"}]},
        {"activeServiceStatus": {**active, "applicationStatuses": {}}},
        {
            "activeServiceStatus": {
                **status["activeServiceStatus"],
                "applicationStatuses": {"a": {"status": "DEPLOYING"}},
            }
        },
    ):
        kubernetes.service["status"] = {**status, **changed}
        assert not rollout.serves(site, OLD)


def test_the_cluster_says_why_when_it_refuses(kubernetes: Kubernetes, service: Played) -> None:
    """kubectl's own message is in the error."""
    kubernetes.refuses = "kubectl apply says: error: admission webhook denied the request"
    with pytest.raises(rollout.RolloutFailed, match="admission webhook denied"):
        _roll_out(kubernetes, service, NEW)


# --- the command --------------------------------------------------------------------------------------------------
def _command(path: Path, *options: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Runs the command with a kubectl that notes its arguments in a file `said`, and fails."""
    program = path / "kubectl"
    program.write_text('#!/bin/sh\necho "$@" >> "$(dirname "$0")/said"\necho "no cluster" >&2\nexit 1\n')
    program.chmod(0o755)
    return subprocess.run(
        [sys.executable, "-m", "serve.cli.rollout", "staging", "--version", VERSION, *options],
        cwd=REPOSITORY,
        env={"PATH": f"{path}:{os.defpath}", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("options", "variables", "said"),
    [
        (["--cpu", "registry.test/colormatch:0.1.0-cpu"], {}, "must be an image by digest"),
        (["--gpu", "registry.test/colormatch@sha256:abc"], {}, "must be an image by digest"),
        ([], {"SERVICE_KEY": "a-key"}, "SERVICE_URL and SERVICE_KEY must be set"),
        ([], {"SERVICE_URL": "http://127.0.0.1:9"}, "SERVICE_URL and SERVICE_KEY must be set"),
    ],
    ids=["a tag", "half a digest", "no address", "no key"],
)
def test_the_command_touches_nothing_when_it_is_wrong(
    tmp_path: Path, options: list[str], variables: dict[str, str], said: str
) -> None:
    """A tag could be moved between the scan and the cluster, and a release that nobody asks is not checked."""
    done = _command(tmp_path, *options, **variables)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "said").exists()


def test_the_command_ends_with_1_when_kubectl_fails(tmp_path: Path) -> None:
    """One line says what kubectl said."""
    done = _command(tmp_path, SERVICE_URL="http://127.0.0.1:9", SERVICE_KEY="a-key")
    assert (done.returncode, done.stdout) == (1, "error: kubectl get says: no cluster\n")
    assert (
        tmp_path / "said"
    ).read_text() == "get rayservice stylesync-colormatch --namespace stylesync-staging --output json\n"


def test_a_service_is_only_checked_when_no_environment_is_named(service: Played) -> None:
    """For clusters of VMs, the two checks run without kubectl."""
    variables = {"SERVICE_URL": service.url, "SERVICE_KEY": "a-key"}
    command = [sys.executable, "-m", "serve.cli.rollout", "--version", VERSION]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=variables, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == f"build_info is {VERSION}.\nThe golden photo is answered as it should.\n"
    assert done.returncode == 0


def test_nothing_changes_when_it_is_tried_dry(kubernetes: Kubernetes, service: Played) -> None:
    """A dry run lets the cluster check the manifests."""
    rollout.apply(_site(kubernetes, service), NEW, "--dry-run=server")
    assert kubernetes.images()["cpu"] == OLD["cpu"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_kubectl_builds_the_overlay_with_the_images(environment: str) -> None:
    """kustomize accepts the kustomization, and every pod of Ray has the new image."""
    built = list[str]()

    def kubectl(_verb: str, _option: str, folder: str) -> str:
        built.append(rollout.run_kubectl("kustomize", folder))
        return ""

    rollout.apply(rollout.Site(environment, "", "", kubectl), NEW)
    (service,) = (one for one in yaml.safe_load_all(built[0]) if one["kind"] == "RayService")
    assert rollout.images_of(service) == NEW
    assert built[0].count(NEW["cpu"]) == 2
    assert built[0].count("registry.example.com") == 0


# --- what it relies on --------------------------------------------------------------------------------------------
def test_the_golden_photo_is_what_this_version_answers() -> None:
    """golden.json is the answer of the shipped network."""
    found = advise(REPOSITORY / GOLDEN["photo"])
    assert [{"category": one.category, "main": one.colors[0].hex} for one in found.garments] == GOLDEN["garments"]


def test_the_metrics_name_the_version() -> None:
    """build_info is what the rollout looks for."""
    assert f'colormatch_build_info{{version="{VERSION}"}} 1.0' in Metrics().text().decode()
