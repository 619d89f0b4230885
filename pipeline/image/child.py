"""A process that decodes hostile photos and may be killed: its frames, its confinement, its loop; stdlib only.

Requests come on stdin, a length (REQUEST_HEAD) and a body each; answers go to stdout, a length and a status
(ANSWER_HEAD) and a body each.  A child does one request at a time, may use only so much memory, writes no files, and
dies with its parent or when its stdin closes.  Whatever a file does to it, killing it harms nobody.
"""

import ctypes
import io
import resource
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path

REQUEST_HEAD, ANSWER_HEAD = struct.Struct(">I"), struct.Struct(">IB")
REFUSED, DECODED = 0, 1
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)  # ends that a file can cause
PR_SET_PDEATHSIG = 1


def confine(memory_bytes: int) -> None:
    """Takes from this process what a decoder does not need."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the parent's matter
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    for nothing in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(nothing, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # before the parent, should memory run out: a child is the cheapest process to lose
        Path("/proc/self/oom_score_adj").write_text("1000")


def converse(answer: Callable[[bytes], tuple[int, bytes]]) -> None:
    """Says that it is ready, by an empty answer, and answers requests until stdin closes."""
    source, sink = sys.stdin.buffer, io.FileIO(1, "w", closefd=False)
    _send(sink, DECODED, b"")
    while len(head := source.read(REQUEST_HEAD.size)) == REQUEST_HEAD.size:
        _send(sink, *answer(source.read(*REQUEST_HEAD.unpack(head))))


def _send(sink: io.RawIOBase, status: int, body: bytes) -> None:
    message = memoryview(ANSWER_HEAD.pack(len(body), status) + body)
    while message:
        message = message[sink.write(message) :]
