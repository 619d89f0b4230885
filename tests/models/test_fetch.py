"""Downloads from a real HTTP server on this machine that breaks, lies or has no file."""

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from models.cards import DEFAULT_MODEL, ModelCard, ModelError, load_card, verify
from models.fetch import TRIES, fetch
from models.registry import main

DATA = np.random.default_rng(1).bytes(700_000)
SHA256 = sha256(DATA).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves DATA at any path with configurable faults, and records the requested ranges."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ranges: list[str | None] = []
        self.data = DATA
        self.knows_ranges = True
        # The bytes that are sent before the connection breaks, by request. Later requests do not break.
        self.drops_after: list[int] = []
        self.status = 200
        self.content_type = "application/octet-stream"

    @property
    def url(self) -> str:
        """The file's URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/net.bin"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server, asked = self.server, self.headers["Range"]
        server.ranges.append(asked)
        if server.status != 200:
            self._head(server.status, b"")
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.knows_ranges else 0
        if start >= len(server.data):
            self._head(416, b"", f"bytes */{len(server.data)}")
            return
        body = server.data[start:]
        span = f"bytes {start}-{len(server.data) - 1}/{len(server.data)}"
        self._head(206 if start else 200, body, span if start else None)
        self.wfile.write(body[: server.drops_after.pop(0)] if server.drops_after else body)
        self.close_connection = True

    def _head(self, status: int, body: bytes, content_range: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", self.server.content_type)
        self.send_header("Content-Length", str(len(body)))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server without faults, until a test sets some."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def card(server: Server) -> ModelCard:
    """A card whose weights are DATA on the server."""
    known = {"weights": "fetched/net.bin", "url": server.url, "sha256": SHA256, "bytes": len(DATA)}
    return replace(load_card(DEFAULT_MODEL), id="other", **known)  # type: ignore[arg-type]


def part_of(folder: Path) -> Path:
    """The path of an unfinished download."""
    return folder / "fetched" / "net.bin.part"


def test_weights_are_there_when_fetched(server: Server, card: ModelCard, tmp_path: Path) -> None:
    """The weights have their name and pass verification, nothing else is left, and a second fetch sends no request."""
    seen: list[tuple[int, int | None]] = []
    path = fetch(card, tmp_path, progress=lambda here, total: seen.append((here, total)))
    assert path == verify(card, tmp_path)
    assert path.read_bytes() == DATA
    assert [file.name for file in path.parent.iterdir()] == ["net.bin"]
    assert seen == sorted(seen)
    assert seen[-1] == (len(DATA), len(DATA))
    assert fetch(card, tmp_path) == path
    assert server.ranges == [None]


def test_the_download_goes_on_when_the_connection_breaks(server: Server, card: ModelCard, tmp_path: Path) -> None:
    """After each broken connection the rest is requested, and the file is complete."""
    server.drops_after = [300_000, 250_000]
    assert fetch(card, tmp_path).read_bytes() == DATA
    assert server.ranges == [None, "bytes=300000-", "bytes=550000-"]


def test_the_download_goes_on_when_an_earlier_run_left_a_part(server: Server, card: ModelCard, tmp_path: Path) -> None:
    """A killed download's bytes are not requested again."""
    part_of(tmp_path).parent.mkdir()
    part_of(tmp_path).write_bytes(DATA[:123_456])
    assert fetch(card, tmp_path).read_bytes() == DATA
    assert server.ranges == ["bytes=123456-"]


def test_all_is_taken_again_when_the_server_ignores_ranges(server: Server, card: ModelCard, tmp_path: Path) -> None:
    """A server that sends everything from the start does not corrupt the file."""
    server.knows_ranges, server.drops_after = False, [300_000]
    assert fetch(card, tmp_path).read_bytes() == DATA
    assert server.ranges == [None, "bytes=300000-"]


@pytest.mark.parametrize("change", [lambda data: data[:-1] + b"?", lambda data: data[:-9]])
def test_what_came_is_deleted_when_it_is_wrong(
    server: Server, card: ModelCard, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    """For one wrong byte or a short file the error has both hashes; nothing is put in place or kept."""
    server.data = change(DATA)
    with pytest.raises(ModelError, match=f"sha256 {sha256(server.data).hexdigest()}, not {SHA256}: it was deleted"):
        fetch(card, tmp_path)
    assert list((tmp_path / "fetched").iterdir()) == []
    server.data = DATA
    assert fetch(card, tmp_path).read_bytes() == DATA


def test_too_much_is_refused_when_the_card_knows_the_size(server: Server, card: ModelCard, tmp_path: Path) -> None:
    """A server cannot fill the disk."""
    server.data = DATA * 4
    with pytest.raises(ModelError, match=f"More than the expected {len(DATA)} bytes"):
        fetch(card, tmp_path)
    assert part_of(tmp_path).stat().st_size <= 2 * len(DATA)


def test_it_starts_again_when_the_part_is_larger_than_the_file(server: Server, card: ModelCard, tmp_path: Path) -> None:
    """A partial download of another file does not block the download for ever."""
    part_of(tmp_path).parent.mkdir()
    part_of(tmp_path).write_bytes(DATA + b"more")
    assert fetch(card, tmp_path, pause=lambda _s: None).read_bytes() == DATA
    assert server.ranges == [f"bytes={len(DATA) + 4}-", None]


def test_the_address_is_blamed_when_a_page_or_an_error_comes(server: Server, card: ModelCard, tmp_path: Path) -> None:
    """The error names a web page, which some hosts send instead of a file, and an HTTP status."""
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(ModelError, match=r"127\.0\.0\.1 sent a web page"):
        fetch(card, tmp_path)
    server.status = 404
    with pytest.raises(ModelError, match=r"127\.0\.0\.1 answers 404 for /net\.bin"):
        fetch(card, tmp_path)
    assert not part_of(tmp_path).exists()


def test_it_gives_up_when_nothing_comes(server: Server, card: ModelCard, tmp_path: Path) -> None:
    """After some failed tries, with growing pauses, the error says that a new run resumes."""
    server.drops_after = [100_000] + [0] * TRIES
    pauses: list[float] = []
    with pytest.raises(ModelError, match=r"does not answer .*100000 bytes are here; run again"):
        fetch(card, tmp_path, pause=pauses.append)
    assert pauses == [1, 2, 4, 8]
    assert fetch(card, tmp_path).read_bytes() == DATA


# --- whose sha256 nobody knows --------------------------------------------------------------------------------


def test_the_user_vouches_when_the_card_knows_no_sha256(server: Server, card: ModelCard, tmp_path: Path) -> None:
    """First the error has the found hash and nothing is put in place. Given back, the hash is kept and checked."""
    unknown = replace(card, sha256="", bytes=0)
    with pytest.raises(ModelError, match=f"Nobody vouches .* sha256 is {SHA256}.*--sha256 {SHA256}"):
        fetch(unknown, tmp_path)
    assert not (tmp_path / unknown.weights).exists()
    path = fetch(unknown, tmp_path, sha256=SHA256.upper())
    # The second request only asks for what is missing.
    assert server.ranges == [None, f"bytes={len(DATA)}-"]
    assert path.with_name("net.bin.sha256").read_text() == f"{SHA256}  net.bin\n"  # as sha256sum writes it


def test_a_users_word_is_refused_when_it_is_not_the_cards(card: ModelCard, tmp_path: Path) -> None:
    """A given hash cannot overrule a card, and must be one."""
    with pytest.raises(ModelError, match=f"says sha256 {SHA256}, not {'0' * 64}"):
        fetch(card, tmp_path, sha256="0" * 64)
    with pytest.raises(ModelError, match="'abc' is not a sha256"):
        fetch(replace(card, sha256=""), tmp_path, sha256="abc")


def test_an_address_is_asked_for_when_the_card_has_none(card: ModelCard, server: Server, tmp_path: Path) -> None:
    """A card without an address is an error that says so; the command may give one."""
    with pytest.raises(ModelError, match="give one with --url"):
        fetch(replace(card, url=None), tmp_path)
    assert fetch(replace(card, url=None), tmp_path, url=server.url).is_file()


# --- the command ----------------------------------------------------------------------------------------------
def test_the_command_goes_from_unknown_to_verified_when_the_hash_is_given(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After `fetch`, `fetch --sha256` with the printed hash, and `verify`, the card loads with that hash."""
    text = (Path(__file__).parents[2] / "models/weights/u2netp.json").read_text()
    (tmp_path / "u2netp.json").write_text(text)
    ask = ["fetch", "u2netp", "--url", server.url]
    assert main(ask, tmp_path) == 1
    told = set(re.findall("[0-9a-f]{64}", capsys.readouterr().out))
    assert told == {SHA256}
    assert main(["verify"], tmp_path) == 0
    assert "u2netp: not here" in capsys.readouterr().out
    assert main([*ask, "--sha256", SHA256], tmp_path) == 0
    assert main(["verify", "u2netp"], tmp_path) == 0
    assert load_card("u2netp", tmp_path).sha256 == SHA256
    assert main(["list"], tmp_path) == 0
    assert "yes" in capsys.readouterr().out


def test_the_licence_is_asked_first_when_it_is_non_commercial(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is downloaded before the licence is allowed."""
    text = (Path(__file__).parents[2] / "models/weights/u2net-cloth-seg.json").read_text()
    (tmp_path / "u2net-cloth-seg.json").write_text(text)
    ask = ["fetch", "u2net-cloth-seg", "--url", server.url, "--sha256", SHA256]
    assert main(ask, tmp_path) == 1
    assert "non-commercial: it must be allowed first" in capsys.readouterr().out
    assert server.ranges == []
    assert main([*ask, "--allow-non-commercial"], tmp_path) == 0
