"""Tests uploads to the object store that `make serve` starts, from presign to advice."""

from urllib.parse import urlsplit

import httpx
import psutil

from tests.cluster.application import Application, cmdline, descendants


def test_an_uploaded_photo_gets_advice(client: httpx.Client, application: Application, astronaut: bytes) -> None:
    """The documented steps work: presign, a form to the store, and advice."""
    wish = {"content_type": "image/jpeg", "content_length": len(astronaut)}
    terms = client.post("/v1/uploads/presign", json=wish).raise_for_status().json()
    with httpx.Client(trust_env=False) as anyone:
        file = {"file": ("photo.jpg", astronaut, "image/jpeg")}
        assert anyone.post(terms["url"], data=terms["fields"], files=file).status_code == 204
    answer = client.post("/v1/advice", json={"object_key": terms["object_key"]}).raise_for_status().json()
    assert answer["mode"] == "object"
    assert answer["garments"]
    assert client.get("/v1/readyz").json()["objects"] == "up"
    again = {"Idempotency-Key": "one upload"}
    first = client.post("/v1/uploads/presign", json=wish, headers=again).raise_for_status().json()
    assert client.post("/v1/uploads/presign", json=wish, headers=again).json() == first


def test_the_object_store_listens_on_loopback_only(client: httpx.Client, application: Application) -> None:
    """Every port of the development's object store is bound to the loopback interface."""
    wish = {"content_type": "image/jpeg", "content_length": 5}
    port = urlsplit(client.post("/v1/uploads/presign", json=wish).json()["url"]).port
    (weed,) = [one for one in descendants(application.launch.process.pid) if "weed" in " ".join(cmdline(one)[:1])]
    listening = [one.laddr for one in weed.net_connections(kind="tcp") if one.status == psutil.CONN_LISTEN]
    assert port in {address.port for address in listening}
    assert {address.ip for address in listening} == {"127.0.0.1"}
