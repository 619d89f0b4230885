"""The load and fault kit: `python -m tests.reliability.run [chaos|overload|soak] [--bar N …] [--transport fast|stock]`.

Starts a cluster of its own, does what the bars say, prints them as a table and puts the rows into docs/reliability.md.
Needs a machine that does nothing else; --share 0.1 makes everything ten times shorter, for a look.
"""

import argparse
import signal
import sys

from tests.reliability import table
from tests.reliability.bars_chaos import killed_ingress, killed_phases, rolling
from tests.reliability.bars_metrics import merged
from tests.reliability.bars_overload import cold_start, overload
from tests.reliability.bars_phases import breaker, full_quality, hung, precise
from tests.reliability.bars_soak import soak
from tests.reliability.bars_stores import limit, redis_faults, stampede
from tests.reliability.kit import Bar, Kit

BARS: dict[str, Bar] = {
    "1": overload,
    "2": overload,
    "3": overload,
    "4": killed_phases,
    "5": killed_ingress,
    "6": rolling,
    "7": hung,
    "8": precise,
    "9": precise,
    "10": breaker,
    "11": redis_faults,
    "12": stampede,
    "13": full_quality,
    "14": limit,
    "23": merged,
    "25": soak,
    "26": cold_start,
}
GROUPS = {
    "overload": ("1",),
    "chaos": ("7", "11", "4", "5", "6", "12", "14", "8", "10", "13", "23", "26"),
    "soak": ("25",),
}


def main(arguments: list[str]) -> int:
    """Runs the bars that were asked for. Exit status 1 when one falls short."""
    parser = argparse.ArgumentParser(prog="tests.reliability.run", description=__doc__)
    parser.add_argument("group", nargs="?", choices=GROUPS, help="which bars")
    parser.add_argument("--bar", action="append", default=[], choices=BARS, help="or these alone")
    parser.add_argument("--transport", choices=("fast", "stock"), default="fast")
    parser.add_argument("--share", type=float, default=1.0, help="of every duration and count, for a look")
    parser.add_argument("--keep", action="store_true", help="keep the rows of a share too (a row tells its counts)")
    parser.add_argument("--beside", default="nothing else", help="what else the machine does, for the table")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cluster is ended
    wanted = given.bar or GROUPS[given.group or "chaos"]
    kit = Kit(given.transport, given.share)
    broken = False
    try:
        for bar in dict.fromkeys(BARS[number] for number in wanted):
            broken |= not _measured(kit, bar)
            if given.share >= 1 or given.keep:
                table.keep(kit.rows, beside=given.beside)
    finally:
        kit.fresh()
    print(table.drawn(kit.rows, beside=given.beside))
    return int(broken or not all(row.passed for row in kit.rows))


def _measured(kit: Kit, bar: Bar) -> bool:
    """Whether the bar could be measured at all; the next one gets a new cluster when it could not."""
    try:
        bar(kit)
    except (AssertionError, TimeoutError, RuntimeError, OSError) as error:
        kit.say(f"{bar.__name__} broke off: {type(error).__name__}: {str(error)[:2000]}")
        kit.fresh()
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
