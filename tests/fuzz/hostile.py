"""Hostile photos and bodies against the whole application, as users start it: `python -m tests.fuzz.hostile [FILES]`.

Prints rows for docs/results/security.md. FILES: how many damaged files to make (600); as many of those
that the fuzzer has kept in out/fuzz come in addition.
"""

import random
import select
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil

from pipeline.color.difference import delta_e_2000
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.image.decode import decode_image
from serve.local.plan import REPOSITORY
from tests.cluster.application import (
    Application,
    cmdline,
    descendants,
    interrupt_alone,
    launch,
    photo_form,
    stop,
    wait_until_ready,
)
from tests.pipeline.image.test_damage import DAMAGES
from tests.pipeline.image.test_decode import LOSSY, MODES
from tests.pipeline.image.test_limits import REFUSED
from tests.pipeline.pictures import encoded, samples

MIB = 1024 * 1024
# Taste: the pause between two looks at the memory.
SAMPLE_S = 0.02
# The processes that a request passes, by words in their command lines.
WATCHED = {
    "proxy": ("haproxy", "ProxyActor"),
    "replica": ("ServeReplica:colormatch:Advice",),
    "decoder": ("pipeline.image.child",),
}


def main(files: int) -> None:
    """Starts the application, tries all attacks and prints the rows."""
    print("| bar | what | target | measured |\n|---|---|---|---|")
    _row(16, f"{8 * (len(MODES) + len(LOSSY))} pictures: 8 turns × modes", "ΔE00 ≤ 1 (PNG), ≤ 3 (lossy)", _fidelity())
    with tempfile.TemporaryDirectory() as name:
        launched = launch(Path(name) / "dev")
        try:
            application = wait_until_ready(launched)
            with application.client() as client:
                _warm_up(client)
                _photos(application, client, files)
                _bombs(application, client)
                _bodies(application, client)
        finally:
            stop(launched, interrupt_alone)


def _row(bar: int, what: str, target: str, measured: str) -> None:
    print(f"| {bar} | {what} | {target} | {measured} |", flush=True)


# --- photos ---------------------------------------------------------------------------------------------------
def _corpus(files: int) -> list[bytes]:
    """Damaged files of every kind, files that break a limit, and inputs that the fuzzer kept."""
    dice, plain = random.Random(15), list(samples().values())
    damaged = [dice.choice(DAMAGES)(dice.choice(plain), dice) for _ in range(files)]
    found = [
        file.read_bytes() for name in ("image", "mask") for file in sorted((REPOSITORY / "out/fuzz" / name).glob("*"))
    ]
    kept = dice.sample(found, min(files, len(found)))
    return [*damaged, *(data for data, _, _ in REFUSED.values() if data), *kept]


def _photos(application: Application, client: httpx.Client, files: int) -> None:
    corpus, before = _corpus(files), _pids(application)
    answers, growth = _watched(application, lambda: [_asked(client, photo_form(data)) for data in corpus])
    took = np.array([took_ms for _, took_ms in answers])
    statuses = Counter(status for status, _ in answers)
    failed = sum(count for status, count in statuses.items() if status >= 500)
    restarts = "none" if _pids(application) == before else f"{_pids(application)} after {before}"
    _row(
        15,
        f"{len(corpus)} hostile photos, one after another",
        "0 × 5xx, 0 restarts, p99 ≤ 300 ms",
        f"{failed} × 5xx ({_counted(statuses)}); restarts: {restarts}; p50 {np.percentile(took, 50):.0f} ms, "
        f"p99 {np.percentile(took, 99):.0f} ms, longest {took.max():.0f} ms; {growth}",
    )


def _bombs(application: Application, client: httpx.Client) -> None:
    names = [name for name in REFUSED if "bomb" in name or " MP" in name or "scans" in name]
    forms = [photo_form(REFUSED[name][0]) for name in names]
    answers, growth = _watched(application, lambda: [_asked(client, form) for form in forms for _ in range(10)])
    statuses = Counter(status for status, _ in answers)
    _row(
        15,
        f"{len(names)} bombs, 10 times each",
        "refused in ≤ 100 ms, memory ≤ +64 MiB",
        f"{_counted(statuses)}; longest {max(took_ms for _, took_ms in answers):.0f} ms; {growth}",
    )


def _asked(client: httpx.Client, form: dict[str, Any]) -> tuple[int, float]:
    began_s = time.perf_counter()
    status = client.post("/v1/advice", **form).status_code
    return status, 1000 * (time.perf_counter() - began_s)


# --- bodies ---------------------------------------------------------------------------------------------------
def _bodies(application: Application, client: httpx.Client) -> None:
    kind = "Content-Type: multipart/form-data; boundary=x"
    part = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    chunk = b"%x\r\n%b\r\n" % (64 * 1024, bytes(64 * 1024))
    first = b"%x\r\n%b\r\n" % (len(part), part)
    attacks: dict[str, tuple[str, Callable[[], Iterable[bytes]], float]] = {
        "1 GiB announced": (f"{kind}\r\nContent-Length: {1024 * MIB}", lambda: [part], 0.0),
        "1 GiB in chunks, without a length": (
            f"{kind}\r\nTransfer-Encoding: chunked",
            lambda: (first, *(chunk for _ in range(16 * 1024))),
            0.0,
        ),
        "a byte a second": (f"{kind}\r\nContent-Length: 1000", lambda: (part[k : k + 1] for k in range(60)), 1.0),
    }
    for name, (headers, parts, pause_s) in attacks.items():
        began_s = time.perf_counter()
        status, growth = _watched(application, lambda: _sent(application, headers, parts(), pause_s))  # noqa: B023
        took_s = time.perf_counter() - began_s
        _row(17, name, "413 or 408, memory ≤ +32 MiB", f"{status} after {1000 * took_s:.0f} ms; {growth}")
    _headers_that_never_end(application, client)


def _sent(application: Application, headers: str, parts: Iterable[bytes], pause_s: float) -> int:
    """Sends the parts, and gives the status of the answer, which may come before the last part."""
    head = f"POST /v1/advice HTTP/1.1\r\nHost: x\r\nX-API-Key: {application.key}\r\n{headers}\r\n\r\n"
    with _connection(application) as link:
        link.sendall(head.encode())
        for part in parts:
            if select.select([link], [], [], pause_s)[0]:
                break
            try:
                link.sendall(part)
            except OSError:
                # The server closed the connection after its answer.
                break
        link.settimeout(60)
        return int(link.recv(4096).split()[1])


def _headers_that_never_end(application: Application, client: httpx.Client) -> None:
    links = [_connection(application) for _ in range(100)]
    for link in links:
        link.sendall(b"POST /v1/advice HTTP/1.1\r\nHost: x\r\nX-A: ")
    answers = [_asked(client, photo_form(samples()["JPEG"])) for _ in range(20)]
    served = Counter(status for status, _ in answers)
    _row(
        17,
        "100 connections whose headers never end",
        "others are served",
        f"{_counted(served)} of others, longest {max(took_ms for _, took_ms in answers):.0f} ms",
    )
    for link in links:
        link.close()


def _connection(application: Application) -> socket.socket:
    address = urlsplit(application.url)
    return socket.create_connection((str(address.hostname), int(address.port or 80)), timeout=60)


# --- memory ---------------------------------------------------------------------------------------------------
def _warm_up(client: httpx.Client) -> None:
    """Sends photos of every format, one of almost the largest size, so that memory reaches its working size."""
    for data in (*samples().values(), samples()["JPEG"] + bytes(9 * MIB)):
        for _ in range(3):
            client.post("/v1/advice", **photo_form(data))


def _processes(application: Application) -> dict[str, list[psutil.Process]]:
    found: dict[str, list[psutil.Process]] = {name: [] for name in WATCHED}
    for process in descendants(application.launch.process.pid):
        for name, signs in WATCHED.items():
            if any(sign in " ".join(cmdline(process)) for sign in signs):
                found[name].append(process)
    return found


def _pids(application: Application) -> dict[str, list[int]]:
    """The process ids of proxies, replicas and decoders. A decoder that a file kills is replaced."""
    return {name: sorted(process.pid for process in processes) for name, processes in _processes(application).items()}


def _watched(application: Application, work: Callable[[], Any]) -> tuple[Any, str]:
    """Runs the work. Gives its result and the peak growth of the processes' memory meanwhile."""
    processes, done = _processes(application), threading.Event()
    before = {name: _rss(found) for name, found in processes.items()}
    peak = dict(before)

    def sample() -> None:
        while not done.wait(SAMPLE_S):
            for name, found in processes.items():
                peak[name] = max(peak[name], _rss(found))

    watcher = threading.Thread(target=sample)
    watcher.start()
    try:
        given = work()
    finally:
        done.set()
        watcher.join()
    return given, ", ".join(f"{name} +{(peak[name] - before[name]) / MIB:.0f} MiB" for name in peak)


def _rss(processes: list[psutil.Process]) -> int:
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def _counted(statuses: "Counter[int]") -> str:
    return ", ".join(f"{count}×{status}" for status, count in sorted(statuses.items()))


# --- colours --------------------------------------------------------------------------------------------------
def _fidelity() -> str:
    exact, lossy = [], []
    for turn in range(1, 9):
        for mode, (image, wanted) in MODES.items():
            how = {"transparency": image.info["transparency"]} if mode == "PA" else {}
            exact.append(_worst(encoded(image, "PNG", turn=turn, **how), wanted, edges=True))
        for image, kind, wanted in LOSSY.values():
            lossy.append(_worst(encoded(image, kind, turn=turn, quality=92), wanted, edges=False))
    return f"worst {max(exact):.2f} (PNG, every pixel), {max(lossy):.2f} (JPEG and WebP, away from edges)"


def _worst(data: bytes, wanted: np.ndarray, *, edges: bool) -> float:
    found = decode_image(data).pixels
    away = np.asarray(delta_e_2000(srgb_to_lab_d65(found / 255), srgb_to_lab_d65(wanted / 255)))
    inner = away if edges else np.concatenate([away[y : y + 8, x : x + 12].ravel() for y in (4, 20) for x in (6, 30)])
    return float(inner.max())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
