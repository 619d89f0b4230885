"""Publication: the finished tables to their place, then summary and report, `_SUCCESS` last; msgspec, the stores."""

import msgspec

from pipeline.backfill.plan import Identity
from pipeline.backfill.report.html import report_html
from pipeline.backfill.report.samples import take_samples
from pipeline.backfill.report.summary import Pace, Summary, summarise
from pipeline.backfill.stores.store import Store
from pipeline.backfill.stores.uris import Stores
from pipeline.backfill.tables.checkpoints import FINISHED, TABLES
from pipeline.backfill.tables.manifest import WORK, Manifest

RUN_FILE, SUMMARY_FILE, REPORT_FILE, SUCCESS_FILE = "_run.json", "summary.json", "report.html", "_SUCCESS"


def publish(output: Store, manifest: Manifest, identity: Identity, stores: Stores, pace: Pace) -> Summary:
    """Makes a finished run visible; can be broken off and asked for again at any point."""
    for table in TABLES:
        output.move(f"{FINISHED}/{table}", table)
    summary = summarise(output, manifest, identity, pace)
    output.write(SUMMARY_FILE, msgspec.json.format(msgspec.json.encode(summary), indent=1) + b"\n")
    samples = take_samples(output, stores, [part.name for part in summary.parts if part.answers])
    output.write(REPORT_FILE, report_html(summary, samples).encode())
    output.write(SUCCESS_FILE, b"")
    output.remove(WORK)
    return summary


def published_summary(output: Store) -> Summary:
    """The summary of a complete run."""
    return msgspec.json.decode(output.read(SUMMARY_FILE), type=Summary)
