"""Runs the steps of successive batches in CUDA streams of their own, so that they overlap."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

# A torch.cuda.Event, or None on a CPU.
Event = Any


class Lane:
    """One stream of a device, for one thread. On a CPU a lane does nothing, since work is done when it returns.

    cuda: the module that makes streams.
    """

    def __init__(self, device: torch.device, cuda: Any = torch.cuda) -> None:
        self._cuda = cuda
        self._stream = cuda.Stream(device) if device.type == "cuda" else None

    @contextmanager
    def work(self, after: Event = None, *inputs: Any) -> Iterator[None]:
        """Runs what is launched inside in this stream, once the event `after` is reached.

        inputs: tensors made in another lane; their memory is not reused before this lane has finished with them.
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
        """An event that follows all work launched here so far; another lane may wait for it."""
        return None if self._stream is None else self._stream.record_event()

    def wait(self) -> None:
        """Blocks this thread until everything launched here is done; other Python threads go on."""
        if self._stream is not None:
            self._stream.synchronize()
