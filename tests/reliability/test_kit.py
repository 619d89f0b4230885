"""The kit itself: its timetable, its clock, its proxy and its faults, without a cluster."""

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
from tests.reliability.faults import HANG_S, Fault, Faults
from tests.reliability.kit import Row, percentile
from tests.reliability.load import Plan, due_times, run
from tests.reliability.messages import marked
from tests.reliability.table import MARKS, written
from tests.reliability.tcp_proxy import tcp_proxy

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"degraded":[]}'


@asynccontextmanager
async def slow_server(answer_s: float, *, stall_s: float = 0.0) -> AsyncIterator[int]:
    """One that answers every request after answer_s, and the very first one after stall_s more; its port."""
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
    """Gaps have the mean of the rate; those of Poisson arrivals spread by as much as their mean."""
    plan = Plan(0, "", for_s=2000, per_s=5, arrivals=arrivals)
    times = list(due_times(plan))
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert statistics.mean(gaps) == pytest.approx(0.2, rel=0.03)
    assert statistics.stdev(gaps) / statistics.mean(gaps) == pytest.approx(spread, abs=0.03)


async def test_waiting_counts_when_the_server_stalls() -> None:
    """Requests leave on time whatever the first one waits for: one is slow, the others are not held up behind it."""
    async with slow_server(0.0, stall_s=1.0) as port:
        shots = await run(Plan(port, "", for_s=0.5, per_s=40, arrivals="constant", kinds={"health": 1.0}))
    assert len(shots) == 19
    assert max(shots, key=lambda shot: shot.took_s).took_s >= 1.0
    assert statistics.median(shot.took_s for shot in shots) < 0.5


async def test_a_request_is_lost_when_the_connection_breaks() -> None:
    """No answer is a status of its own, not an exception."""
    async with slow_server(0.0) as port:
        pass
    (shot, *_) = await run(Plan(port, "", for_s=0.1, per_s=40, arrivals="constant", kinds={"health": 1.0}))
    assert (shot.status, shot.good) == (0, False)


def test_a_marked_photo_is_the_same_picture_when_decoded() -> None:
    """Another comment makes other bytes of the same pixels."""
    photo = (REPOSITORY / "docs/samples/astronaut.jpg").read_bytes()
    one, other = marked(photo, "one"), marked(photo, "other")
    assert len({photo, one, other}) == 3
    first, second = (np.asarray(Image.open(io.BytesIO(each))) for each in (one, other))
    assert np.array_equal(first, second)


async def test_an_echo_is_late_silent_or_refused_when_the_proxy_is_told() -> None:
    """Each mode of the proxy, and back."""

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


async def test_a_phase_suffers_only_when_a_fault_was_put(tmp_path: Path) -> None:
    """Faults are files that a test writes: none without, none after healing."""
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


def test_no_shipped_config_can_have_faults_when_read() -> None:
    """Every config names the real application, and no module of the service knows the faults."""
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
def test_percentiles_are_ranks_when_of_one_to_a_hundred(percent: float, expected: float) -> None:
    """Nearest rank, as published tables use it."""
    assert percentile(list(range(1, 101)), percent) == expected


def test_a_later_row_replaces_an_earlier_one_when_written() -> None:
    """Rows are sorted by number, one of each bar and transport; the text around them stays."""
    text = "\n".join(("Before.", *MARKS, "After."))
    for bar, measured in (("10", "a"), ("4", "b"), ("10", "c")):
        text = written(text, [Row(bar, "what", "target", measured, True, "fast", "")], beside="nothing")
    lines = [line for line in text.splitlines() if line.startswith(("| 4", "| 10"))]
    assert [line.split(" | ")[4] for line in lines] == ["b", "c"]
    assert (text.splitlines()[0], text.splitlines()[-1]) == ("Before.", "After.")
