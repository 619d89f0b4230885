"""A device's streams, with a recorder in place of CUDA: which waits for which, and whose memory is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from models.streams import Lane

# Naming a device does not require one.
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Recorder:
    """A fake torch.cuda whose streams record their calls."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self._made = 0

    def Stream(self, _device: torch.device) -> Any:  # noqa: N802 - torch's name
        """A stream with the next number."""
        self._made += 1
        return RecordedStream(self._made, self.log)

    @contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        """Records what runs in a stream."""
        self.log.append(f"enter {stream.number}")
        yield
        self.log.append(f"leave {stream.number}")


class RecordedStream:
    """A stream that only records."""

    def __init__(self, number: int, log: list[str]) -> None:
        self.number = number
        self._log = log

    def wait_event(self, event: str) -> None:
        """Waits on the device."""
        self._log.append(f"{self.number} waits for {event}")

    def record_event(self) -> str:
        """An event's name."""
        return f"mark of {self.number}"

    def synchronize(self) -> None:
        """Waits on the host."""
        self._log.append(f"host waits for {self.number}")


class Plane:
    """A tensor that records the streams that use it."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def record_stream(self, stream: RecordedStream) -> None:
        """As torch's."""
        self._log.append(f"plane kept for {stream.number}")


def test_work_waits_for_the_lane_before_when_batches_pass_from_one_to_the_next() -> None:
    """A lane's stream waits on the device for the previous mark; the host only waits in `wait`."""
    cuda = Recorder()
    copy, compute = Lane(CUDA, cuda), Lane(CUDA, cuda)
    with copy.work():
        cuda.log.append("copies")
    with compute.work(copy.mark(), Plane(cuda.log)):
        cuda.log.append("computes")
    compute.wait()
    assert cuda.log == [
        *("enter 1", "copies", "leave 1"),
        *("2 waits for mark of 1", "plane kept for 2", "enter 2", "computes", "leave 2"),
        "host waits for 2",
    ]


def test_a_lane_is_nothing_when_the_device_is_a_cpu() -> None:
    """On a CPU no CUDA function is called."""
    cuda = Recorder()
    lane = Lane(CPU, cuda)
    with lane.work(lane.mark(), Plane(cuda.log)):
        cuda.log.append("works")
    lane.wait()
    assert cuda.log == ["works"]
