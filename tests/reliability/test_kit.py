"""Tests the kit itself without a cluster: its schedule, clock, proxy, faults and table."""

import asyncio
import contextlib
import io
import itertools
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import Overloaded
from serve.local.plan import REPOSITORY
from tests.reliability.bars import BARS, listed
from tests.reliability.faults import HANG_S, Fault, Faults
from tests.reliability.kit import Row, percentile
from tests.reliability.load import Plan, due_times, run
from tests.reliability.messages import marked
from tests.reliability.run import GROUPS, MEASUREMENTS
from tests.reliability.table import MARKS, written
from tests.reliability.tcp_proxy import tcp_proxy

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"degraded":[]}'


@asynccontextmanager
async def slow_server(answer_s: float, *, stall_s: float = 0.0) -> AsyncIterator[int]:
    """Runs a server that answers each request after answer_s, and the first one stall_s later. Gives its port."""
    first, served = [True], list[asyncio.Event]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(over := asyncio.Event())
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                stalled, first[0] = first[0], False
                await asyncio.sleep(answer_s + (stall_s if stalled else 0.0))
                writer.write(ANSWER)
        writer.close()
        await writer.wait_closed()
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for over in served:
            await over.wait()


@pytest.mark.parametrize(("arrivals", "spread"), [("poisson", 1.0), ("constant", 0.0)])
def test_requests_are_due_at_the_rate_when_drawn(arrivals: str, spread: float) -> None:
    """The mean gap fits the rate. The gaps of Poisson arrivals have a standard deviation equal to their mean."""
    plan = Plan(0, "", for_s=2000, per_s=5, arrivals=arrivals)
    times = list(due_times(plan))
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert statistics.mean(gaps) == pytest.approx(0.2, rel=0.03)
    assert statistics.stdev(gaps) / statistics.mean(gaps) == pytest.approx(spread, abs=0.03)


async def test_the_wait_counts_when_the_server_stalls() -> None:
    """Requests leave on schedule while the first one waits: one is slow, and the others do not queue behind it."""
    async with slow_server(0.0, stall_s=1.0) as port:
        shots = await run(Plan(port, "", for_s=0.5, per_s=40, arrivals="constant", kinds={"health": 1.0}))
    assert len(shots) == 19
    assert max(shots, key=lambda shot: shot.took_s).took_s >= 1.0
    assert statistics.median(shot.took_s for shot in shots) < 0.5


async def test_a_request_is_lost_when_the_connection_breaks() -> None:
    """A lost request has a status of its own and raises nothing."""
    async with slow_server(0.0) as port:
        pass
    (shot, *_) = await run(Plan(port, "", for_s=0.1, per_s=40, arrivals="constant", kinds={"health": 1.0}))
    assert (shot.status, shot.good) == (0, False)


def test_a_marked_photo_is_the_same_picture_when_decoded() -> None:
    """Another comment changes the bytes and not the pixels."""
    photo = (REPOSITORY / "docs/samples/astronaut.jpg").read_bytes()
    one, other = marked(photo, "one"), marked(photo, "other")
    assert len({photo, one, other}) == 3
    first, second = (np.asarray(Image.open(io.BytesIO(each))) for each in (one, other))
    assert np.array_equal(first, second)


async def test_traffic_is_late_lost_or_refused_when_the_proxy_is_set_so() -> None:
    """The proxy delays, drops and refuses traffic as its fields say."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()
        ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        with tcp_proxy(server.sockets[0].getsockname()[1]) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            loop = asyncio.get_running_loop()
            for delay_s in (0.0, 0.2):
                proxy.delay_s, since_s = delay_s, loop.time()
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                assert loop.time() - since_s >= delay_s
            proxy.mode = "silent"
            writer.write(b"lost")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.2)
            proxy.mode = "refuse"
            _, refused = await asyncio.open_connection("127.0.0.1", proxy.port)
            other, second = await asyncio.open_connection("127.0.0.1", proxy.port)
            assert await other.read(1) == b""
            for each in (writer, refused, second):
                each.close()
                await each.wait_closed()
            await ended.wait()


async def test_a_phase_fails_only_when_it_has_a_fault(tmp_path: Path) -> None:
    """A phase acts out the fault that a test gave it, and none before or after that."""
    faults = Faults(tmp_path)
    await faults.suffer("harmony")
    faults.put("harmony", Fault(error="Overloaded"))
    with pytest.raises(Overloaded):
        await faults.suffer("harmony")
    await faults.suffer("extraction")
    faults.put("harmony", Fault(error="a bug"))
    with pytest.raises(KeyError):
        await faults.suffer("harmony")
    faults.heal()
    await faults.suffer("harmony")
    faults.put("harmony", Fault(delay_s=HANG_S))
    hangs = asyncio.ensure_future(faults.suffer("harmony"))
    assert not (await asyncio.wait({hangs}, timeout=0.1))[0]
    faults.heal()
    await hangs
    faults.note("harmony")
    assert (faults.calls("harmony"), faults.calls("extraction")) == (1, 0)


def test_shipped_configs_have_no_faults_when_read() -> None:
    """Every config names the real application, and no module of the service mentions the kit."""
    named = [
        line.split("import_path:")[1].strip()
        for path in (REPOSITORY / "configs").rglob("*.y*ml")
        for line in path.read_text().splitlines()
        if "import_path:" in line
    ]
    assert len(named) >= 4
    assert set(named) == {"serve.app:build"}
    sources = [path.read_text() for path in (REPOSITORY / "serve").rglob("*.py")]
    assert not [text for text in sources if "import tests" in text or "from tests" in text or "faulty" in text]


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (95, 95), (99, 99), (100, 100)])
def test_percentiles_are_nearest_ranks_when_there_are_a_hundred(percent: float, expected: float) -> None:
    """Percentiles use the nearest-rank method."""
    assert percentile(list(range(1, 101)), percent) == expected


def test_a_row_replaces_its_predecessor_when_written() -> None:
    """The table has one row for each bar and transport, sorted by number. The text around it stays."""
    text = "\n".join(("Before.", *MARKS, "After."))
    for bar, measured in (("10", "a"), ("4", "b"), ("10", "c")):
        text = written(text, [Row(bar, "what", "target", measured, True, "fast", "")], beside="nothing")
    lines = [line for line in text.splitlines() if line.startswith(("| 4", "| 10"))]
    assert [line.split(" | ")[4] for line in lines] == ["b", "c"]
    assert (text.splitlines()[0], text.splitlines()[-1]) == ("Before.", "After.")


def test_every_bar_is_defined_and_measured_when_listed() -> None:
    """Each bar has a measurement and a definition of its own; groups and `--help` name defined bars only."""
    assert list(MEASUREMENTS) == list(BARS)
    assert {number for group in GROUPS.values() for number in group} <= set(BARS)
    assert len({bar.name for bar in BARS.values()}) == len(BARS)
    assert all(bar.sentence in listed() for bar in BARS.values())
