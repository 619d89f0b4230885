"""Tests the packed clients' examples on the whole application. tests/clients tests their waiting and uploading."""

from serve.local.plan import REPOSITORY
from tests.clients.packed import CLIENTS, Packed
from tests.cluster.application import Application


def test_both_clients_get_advice_from_the_whole_application(application: Application, packed: Packed) -> None:
    """Each client's example works as it stands, with a sample photo and the development key."""
    photo = str(REPOSITORY / "docs/samples/grace_hopper.jpg")
    variables = {"BASE": application.url, "KEY": application.key, "PHOTO": photo}
    for said in (
        packed.run_python(CLIENTS / "python" / "example.py", variables),
        packed.run_typescript(CLIENTS / "typescript" / "example.mts", variables),
    ):
        assert said.startswith("outerwear ")
        assert "INVALID_OPTIONS" in said
