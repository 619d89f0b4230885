"""Reads the spans and log lines that a running application wrote."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
# With a ratio of 0, only traces that a client samples are recorded.
EXPORTED = {"TRACING_EXPORTER": "console", "TRACING_SAMPLE_RATIO": "0"}
IN_A_PHOTO = {
    "request",
    "decode",
    *("segmentation", "segmentation replica", "batch"),
    *("extraction", "extraction replica", "harmony", "harmony replica"),
}


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """A span as the console exporter writes it. Times are in s since the epoch."""

    name: str
    id: str
    parent: str
    component: str
    start_s: float
    end_s: float


def spans_of(run_folder: Path, trace_id: str) -> list[SpanRecord]:
    """The spans of a trace so far, ordered by start."""
    found = [
        SpanRecord(
            line["name"],
            line["context"]["span_id"].removeprefix("0x"),
            (line["parent_id"] or "").removeprefix("0x"),
            line["resource"]["attributes"]["component"],
            datetime.fromisoformat(line["start_time"]).timestamp(),
            datetime.fromisoformat(line["end_time"]).timestamp(),
        )
        for line in lines_of(run_folder)
        if line.get("context", {}).get("trace_id", "") == f"0x{trace_id}"
    ]
    return sorted(found, key=lambda span: (span.start_s, -span.end_s))


def lines_of(run_folder: Path) -> Iterator[dict[str, Any]]:
    """The JSON log lines of the replicas."""
    for path in sorted((run_folder / "session_latest" / "logs").glob("worker-*.out")):
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                yield json.loads(line)
