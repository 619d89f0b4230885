"""The current and the previous pepper: where they are read, what they open, and how an operator moves from one on."""

import re
from pathlib import Path

import pytest

from pipeline.errors import Unauthenticated
from serve.keys import keyring
from serve.keys.__main__ import main
from serve.keys.keyring import KeyRing, KeyStore
from serve.keys.peppers import Peppers, read_peppers
from serve.keys.records import KeyFile, KeyRecord, new_key, write_keys
from serve.settings import Environment
from serve.stores.redis import state_pool
from serve.stores.sealing import Seal

OLD, NEW = b"old pepper", b"new pepper"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STYLESYNC_SECRET_FILE", "STYLESYNC_PREVIOUS_SECRET_FILE", "STATE_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)


def _file(path: Path, pepper: bytes) -> Path:
    path.write_bytes(pepper + b"\n")
    return path


# --- where they are read ------------------------------------------------------------------------------------------
def test_both_peppers_come_from_their_files(tmp_path: Path) -> None:
    """White space around a pepper does not count, and the files win over the application's throw-away pepper."""
    environment = Environment(
        stylesync_secret_file=_file(tmp_path / "new", NEW), stylesync_previous_secret_file=_file(tmp_path / "old", OLD)
    )
    for throwaway in (None, b"random"):
        assert read_peppers(environment, throwaway).all() == (NEW, OLD)


def test_an_empty_previous_file_means_that_there_is_none(tmp_path: Path) -> None:
    """A cluster file can always name the previous pepper, also before the first rotation."""
    environment = Environment(
        stylesync_secret_file=_file(tmp_path / "new", NEW), stylesync_previous_secret_file=_file(tmp_path / "old", b"")
    )
    assert read_peppers(environment, None).all() == (NEW,)


def test_the_throwaway_pepper_counts_without_a_file() -> None:
    """All replicas of an application without a pepper file share the random one that it was built with."""
    assert read_peppers(Environment(), b"random").all() == (b"random",)


def test_a_pepper_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """A replica without its pepper does not start: it would refuse every key, or share no cache with the others."""
    with pytest.raises(ValueError, match="not set on this node; set it for Ray on every node that runs Advice"):
        read_peppers(Environment(), None)
    with pytest.raises(ValueError, match=r"STYLESYNC_SECRET_FILE is '.*nowhere', which cannot be read"):
        read_peppers(Environment(stylesync_secret_file=tmp_path / "nowhere"), None)
    with pytest.raises(ValueError, match=r"STYLESYNC_SECRET_FILE is '.*empty', which is empty"):
        read_peppers(Environment(stylesync_secret_file=_file(tmp_path / "empty", b"")), None)
    new = _file(tmp_path / "new", NEW)
    with pytest.raises(ValueError, match=r"STYLESYNC_PREVIOUS_SECRET_FILE is '.*gone', which cannot be read"):
        read_peppers(Environment(stylesync_secret_file=new, stylesync_previous_secret_file=tmp_path / "gone"), None)


def test_a_pepper_is_not_shown_when_printed() -> None:
    """A log of the object has neither pepper."""
    assert "pepper" not in repr(Peppers(NEW, OLD)).removeprefix("Peppers")


# --- what they open -----------------------------------------------------------------------------------------------
async def test_keys_of_both_peppers_open_until_the_previous_one_is_dropped(tmp_path: Path) -> None:
    """A rotation ends no key at once; without the previous pepper, its keys end."""
    made = [new_key(tenant="shop", scopes=("advice",), pepper=pepper) for pepper in (OLD, NEW)]
    write_keys(tmp_path / "keys.json", [record for _, record in made])
    both = KeyRing(NEW, previous=OLD, file=KeyFile(tmp_path / "keys.json"))
    for key, record in made:
        assert (await both.authenticate(key)).key_id == record.id
        with pytest.raises(Unauthenticated):
            await both.authenticate(key + "x")
    after = KeyRing(NEW, file=KeyFile(tmp_path / "keys.json"))
    await after.authenticate(made[1][0])
    with pytest.raises(Unauthenticated):
        await after.authenticate(made[0][0])


class Transaction:
    """The one read of a key store: its version and its sealed records."""

    def __init__(self, records: dict[bytes, bytes]) -> None:
        self._records = records

    async def __aenter__(self) -> "Transaction":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def get(self, _: str) -> None:
        """Queues the version."""

    def hgetall(self, _: str) -> None:
        """Queues the records."""

    async def execute(self) -> tuple[bytes, dict[bytes, bytes]]:
        return b"version", self._records


class Client:
    """A state store that holds these sealed records."""

    def __init__(self, records: dict[bytes, bytes]) -> None:
        self._records = records

    async def ping(self) -> None:
        """Answers."""

    def pipeline(self, *, transaction: bool) -> Transaction:
        assert transaction
        return Transaction(self._records)


def _sealed(record: KeyRecord, pepper: bytes) -> tuple[bytes, bytes]:
    import msgspec

    return record.id.encode(), Seal(pepper, "key-record").close(record.id, msgspec.json.encode(record))


async def test_the_store_opens_records_of_both_peppers_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that the previous pepper sealed count and are marked; those of a third pepper count for nothing."""
    made = {pepper: new_key(tenant="shop", scopes=("advice",), pepper=pepper) for pepper in (OLD, NEW, b"forged")}
    client = Client(dict(_sealed(record, pepper) for pepper, (_, record) in made.items()))
    monkeypatch.setattr(keyring, "client_of", lambda _: client)
    store = KeyStore(state_pool("redis://127.0.0.1:1"), NEW, previous=OLD)
    ring = KeyRing(NEW, previous=OLD, store=store)
    for pepper in (OLD, NEW):
        assert (await ring.authenticate(made[pepper][0])).tenant == "shop"
    with pytest.raises(Unauthenticated):
        await ring.authenticate(made[b"forged"][0])
    assert store.outdated == {made[OLD][1].id}
    await ring.close()


# --- the command --------------------------------------------------------------------------------------------------
async def test_a_rotated_key_has_the_same_rights_under_the_current_pepper(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rotate` prints a second key; the first stays valid until it is revoked."""
    file = ["--file", str(tmp_path / "keys.json")]
    old, new = ["--secret", str(_file(tmp_path / "old", OLD))], ["--secret", str(_file(tmp_path / "new", NEW))]
    rights = ["--scopes", "advice", "uploads", "--per-minute", "60", "--concurrent", "4", "--days", "9"]
    assert main([*file, *old, "create", "--tenant", "shop", *rights]) == 0
    first = capsys.readouterr().out.strip()
    first_id = first.split("_")[1]
    assert main([*file, *new, "rotate", first_id]) == 0
    second, told = capsys.readouterr()
    assert f"stylesync keys revoke {first_id}" in told
    both = KeyRing(NEW, previous=OLD, file=KeyFile(tmp_path / "keys.json"))
    one, other = await both.authenticate(first), await both.authenticate(second.strip())
    assert (one.tenant, one.scopes, one.allowance) == (other.tenant, other.scopes, other.allowance)
    assert one.key_id != other.key_id
    expiries = re.findall(r'"expires_s": (.*),', (tmp_path / "keys.json").read_text())
    assert len(expiries) == 2
    assert len(set(expiries)) == 1
    assert (await KeyRing(NEW, file=KeyFile(tmp_path / "keys.json")).authenticate(second.strip())).tenant == "shop"


def test_a_key_that_is_not_there_cannot_be_rotated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the id and where to look."""
    write_keys(tmp_path / "keys.json", [])
    secret = _file(tmp_path / "new", NEW)
    assert main(["--file", str(tmp_path / "keys.json"), "--secret", str(secret), "rotate", "014bed3f0a73"]) == 2
    assert "'014bed3f0a73'; `list` shows them" in capsys.readouterr().err
