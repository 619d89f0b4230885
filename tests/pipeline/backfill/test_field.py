"""Tests the command as people of the field use it: web addresses, grown inputs, wrong use, and checks before Ray."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.backfill.errors import BadRequest, ObjectFailed
from pipeline.backfill.plan import Resources
from pipeline.backfill.stores.retries import Retries
from pipeline.backfill.stores.uris import Stores
from pipeline.backfill.stores.web import WebStore
from pipeline.errors import NotFound, TooLarge
from tests.pipeline.backfill.catalogue import COLORS, CannedPool, backfill, paint_catalogue, painted


# --- addresses of the web -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("https://evil.example/a.jpg", "--allow-host evil.example"),
        ("https://images.example.com.evil.example/a", "--allow-host images.example.com.evil.example"),
        ("http://images.example.com/a.jpg", "read over https alone"),
        ("https://[::1/a", "is not a URL"),
    ],
)
def test_a_web_address_is_refused_with_the_flag_when_its_host_is_not_allowed(uri: str, said: str) -> None:
    """The refusal names the host and the flag that allows it."""
    with pytest.raises(BadRequest, match=said):
        Stores(None, ("images.example.com",)).file(uri)
    assert (
        Stores(None, ("*.example.com",)).file("https://images.example.com/a?b=1")[1]
        == "https://images.example.com/a?b=1"
    )


class Photos(BaseHTTPRequestHandler):
    """A web server with a photo, a redirect to another host, a missing page and a broken one."""

    def do_GET(self) -> None:
        """Answers by the path."""
        status = {"/gone": 404, "/broken": 500, "/moved": 302}.get(self.path, 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "https://evil.example/a")
        body = painted(COLORS[0]) if status == 200 else b""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keeps quiet."""


@pytest.fixture
def web() -> Iterator[str]:
    """The address of the web server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Photos) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_web_photo_is_read_or_explained(web: str) -> None:
    """A photo comes back; what is missing, broken, too large or redirected elsewhere has an error of its own."""
    store = WebStore(("images.example.com",), retries=Retries(lambda _: True, attempts=2, wait_s=0.001))
    assert store.read(f"{web}/a.jpg") == painted(COLORS[0])
    for path, error in (("/gone", NotFound), ("/broken", ObjectFailed), ("/moved", ObjectFailed)):
        with pytest.raises(error):
            store.read(web + path)
    with pytest.raises(TooLarge):
        store.read(f"{web}/a.jpg", max_bytes=10)


def test_a_dry_run_says_why_photos_would_fail(tmp_path: Path) -> None:
    """The codes and details of failures stand in the estimate, most frequent first."""
    paint_catalogue(tmp_path, 1)
    lines = [
        "web,https://shop.example/a.jpg",
        "web2,https://shop.example/b.jpg",
        "gone,gone.jpg",
        "ok,more/shirt-0000.jpg",
    ]
    (tmp_path / "items.csv").write_text("\n".join(["id,uri", *lines, ""]))
    result = backfill("--input", tmp_path / "items.csv", "--dry-run", output=tmp_path / "out")
    assert result.exit_code == 0
    assert "3 would be dead letters" in result.said
    said = (
        "  2 × URI_INVALID: https addresses of 'shop.example' are not read. Allow the host: --allow-host shop.example"
    )
    assert said in result.said
    assert "  1 × NOT_FOUND: There is no such file." in result.said
    assert "with 1 worker after some 10 s to start" in result.said


# --- a grown input --------------------------------------------------------------------------------------------
def test_a_grown_input_is_told_when_the_run_is_complete(tmp_path: Path) -> None:
    """The same command says that the input has more images than the run had."""
    paint_catalogue(tmp_path / "photos", 2)
    command = ("--input", tmp_path / "photos")
    backfill(*command, output=tmp_path / "out", pool=CannedPool())
    same = backfill(*command, output=tmp_path / "out", pool=CannedPool())
    paint_catalogue(tmp_path / "photos", 3)
    grown = backfill(*command, output=tmp_path / "out", pool=CannedPool())
    assert "images now" not in same.said
    assert "The input has 3 images now; this run had 2. Choose another output for a new run." in grown.said
    assert (same.exit_code, grown.exit_code) == (0, 0)


# --- before Ray -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "content", ["", "id;uri\n1;a\n", "id,url\n1,a\n", "id,uri\n1,a\n1,b\n", "id,uri\n", "id,uri\n,a\n"]
)
def test_a_wrong_table_is_refused_before_ray_starts(tmp_path: Path, content: str) -> None:
    """Everything that the listing can find is found before Ray starts."""
    (tmp_path / "items.csv").write_text(content)
    result = backfill("--input", tmp_path / "items.csv", output=tmp_path / "out", pool=CannedPool())
    assert result.exit_code == 2
    assert "Starting Ray" not in result.said
    assert not (tmp_path / "out/_run.json").exists()


@pytest.mark.parametrize("source", ["gone", "gone.csv", "gone.parquet"])
def test_a_missing_input_is_refused_before_ray_starts(tmp_path: Path, source: str) -> None:
    """A wrong path does not cost the start of Ray."""
    result = backfill("--input", tmp_path / source, output=tmp_path / "out")
    assert (result.exit_code, "Starting Ray" in result.said) == (2, False)
    assert "does not exist" in result.said


def test_a_missing_device_is_refused_in_words(tmp_path: Path) -> None:
    """A dry run for CUDA on a machine without it ends with a sentence and exit code 2, not with a traceback."""
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    paint_catalogue(tmp_path / "photos", 1)
    command = ("--input", tmp_path / "photos", "--dry-run", "--device", "cuda")
    result = backfill(*command, output=tmp_path / "out", options="{}")
    assert result.exit_code == 2
    assert "Failed:" in result.said


@pytest.mark.parametrize(
    "arguments",
    [
        ("--cpus-per-worker", "0"),
        ("--cpus-per-worker", "nan"),
        ("--workers", "-1"),
        ("--nice", "20"),
        ("--log-every", "-1"),
    ],
)
def test_usage_is_shown_when_a_number_is_out_of_range(tmp_path: Path, arguments: tuple[str, str]) -> None:
    """A number out of range is refused with the usage."""
    with pytest.raises(SystemExit) as ended:
        backfill("--input", tmp_path, *arguments, output=tmp_path / "out")
    assert ended.value.code == 2


# --- what is free ---------------------------------------------------------------------------------------------
def test_a_worker_takes_what_is_free_when_that_is_less_than_a_core() -> None:
    """Beside a service that holds most of a machine, the plain command runs with what is left."""
    plain = Resources(cpus_open=True)
    beside = plain.fitted(cpus=2, gpus=0, free_cpus=0.5)
    assert (beside.cpus, beside.workers) == (0.5, 1)
    assert plain.fitted(cpus=2, gpus=0, free_cpus=2).workers == 2
    assert plain.fitted(cpus=8, gpus=0, free_cpus=3.5).workers == 3
    several = Resources(cpus_open=True, workers=2).fitted(cpus=2, gpus=0, free_cpus=0.5)
    assert (several.cpus, several.workers) == (0.25, 2)
    # Who names a number waits for it; and where nothing is free, everybody waits.
    assert Resources(cpus=1).fitted(cpus=2, gpus=0, free_cpus=0.5).cpus == 1
    assert plain.fitted(cpus=2, gpus=0, free_cpus=0).workers == 2
