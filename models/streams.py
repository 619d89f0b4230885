"""A device's streams: what runs in each and waits for which, so that successive batches overlap; imports torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

Event = Any  # a torch.cuda.Event, or None on a CPU


class Lane:
    """One stream of a device, for one thread's use; on a CPU work is done when it returns, and a lane does nothing.

    cuda: the part of torch that makes streams.
    """

    def __init__(self, device: torch.device, cuda: Any = torch.cuda) -> None:
        self._cuda = cuda
        self._stream = cuda.Stream(device) if device.type == "cuda" else None

    @contextmanager
    def work(self, after: Event = None, *inputs: Any) -> Iterator[None]:
        """What is launched inside runs in this stream, once `after` is reached.

        inputs: tensors made in another lane; their memory is not given away before this lane is through with them.
        """
        if self._stream is None:
            yield
            return
        if after is not None:
            self._stream.wait_event(after)
        for tensor in inputs:
            tensor.record_stream(self._stream)
        with self._cuda.stream(self._stream):
            yield

    def mark(self) -> Event:
        """The point that the lane's work launched so far will reach; another lane may wait for it."""
        return None if self._stream is None else self._stream.record_event()

    def wait(self) -> None:
        """Blocks this thread, though not Python, until everything launched here is done."""
        if self._stream is not None:
            self._stream.synchronize()
