"""A second network in a running application: a stable split, comparisons, its replica's loss, and the end by Ctrl-C."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from PIL import Image

from models.cards import DEFAULT_MODEL
from tests.cluster.application import interrupt_group, must_be_clean, photo_form, wait_until
from tests.cluster.second_network import NEXT, SecondNetwork

PHOTOS = 8


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondNetwork]:
    """An application of which a half of the photos goes to the second network."""
    running = SecondNetwork(tmp_path_factory.mktemp("second"), share=0.5, mode="split")
    yield running
    if running.application.launch.process.poll() is None:
        running.stop(interrupt_group)


@pytest.fixture
def photos(astronaut: bytes) -> list[bytes]:
    """One picture in several sizes."""

    def encoded(image: Image.Image, side_px: int) -> bytes:
        file = io.BytesIO()
        image.resize((side_px, side_px)).save(file, "JPEG")
        return file.getvalue()

    with Image.open(io.BytesIO(astronaut)) as image:
        return [encoded(image, 256 + 8 * number) for number in range(PHOTOS)]


def test_a_canary_answers_its_share_and_is_compared_when_the_config_says_so(
    second: SecondNetwork, photos: list[bytes]
) -> None:
    """A photo meets one network. A live change to shadow leaves every answer to the first, and metrics compare them."""

    def networks() -> list[str]:
        """The network that answered each photo, while four clients ask for all of them. No answer is degraded."""

        def asked(photo: bytes) -> str:
            answer = second.client.post("/v1/advice", **photo_form(photo, cache="bypass")).raise_for_status().json()
            assert answer["degraded"] == []
            return str(answer["versions"]["segmenter"].partition(":")[0])

        with ThreadPoolExecutor(4) as clients:
            return list(clients.map(asked, photos))

    wait_until(lambda: second.total("canary_ready") == 1)
    first = networks()
    assert set(first) == {DEFAULT_MODEL, NEXT}
    assert networks() == first
    wait_until(lambda: second.total("canary_calls_total", mode="split", outcome="ok") == 2 * first.count(NEXT))
    wait_until(lambda: second.total("photos_total") == 2 * PHOTOS)
    assert second.total("replicas", component="segmentation_canary") == 1

    replicas = {name: second.application.replicas(name) for name in ("Advice", "SegmentationCanary")}
    second.put(1.0, "shadow")
    wait_until(lambda: set(networks()) == {DEFAULT_MODEL})
    wait_until(lambda: bool(networks()) and second.total("shadow_garments_total") > 0)
    # Comparisons may still end between two scrapes.
    wait_until(lambda: second.total("shadow_label_agreement_sum") == second.total("shadow_label_agreement_count") > 0)
    assert second.total("shadow_palette_de00_sum") == 0 < second.total("shadow_palette_de00_count")
    for role in ("main", "canary"):
        assert second.total("shadow_seconds_sum", role=role) > 0
    assert {name: second.application.replicas(name) for name in replicas} == replicas

    second.put(1.0, "split")
    wait_until(lambda: set(networks()) == {NEXT})
    for replica in second.application.replicas("SegmentationCanary"):
        replica.kill()
    assert DEFAULT_MODEL in networks()


def test_nothing_is_left_when_ctrl_c_reaches_the_whole_group(second: SecondNetwork) -> None:
    """SIGINT to the foreground process group, as from a terminal, ends all processes."""
    application = second.application
    dev_folder = application.launch.dev_folder
    must_be_clean(second.stop(interrupt_group), application.run_folder, dev_folder)
    with pytest.raises(httpx.ConnectError):
        httpx.get(application.url, trust_env=False)
    assert not application.run_folder.exists()
    assert application.launch.rest_of_output().endswith("Stopping …\nStopped.")
    assert not (dev_folder / f"ray-{application.launch.port}.env").exists()
