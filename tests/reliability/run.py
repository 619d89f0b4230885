"""Measures the reliability bars: `python -m tests.reliability.run [chaos|overload|soak] [--bar N …]`.

The command starts its own cluster, prints a table and puts its rows into docs/results/reliability.md. The machine
should do nothing else. --share 0.1 makes everything ten times shorter, for a quick look. `--help` lists the bars.
"""

import argparse
import signal
import sys

from tests.reliability import table
from tests.reliability.bars import BARS, listed
from tests.reliability.bars_chaos import killed_ingress, killed_phases, lost_phases, rolling
from tests.reliability.bars_metrics import merged
from tests.reliability.bars_overload import cold_start, overload
from tests.reliability.bars_phases import breaker, full_quality, hung, precise
from tests.reliability.bars_soak import soak
from tests.reliability.bars_start import replica_starts
from tests.reliability.bars_stores import limit, redis_faults, stampede
from tests.reliability.kit import Kit, Measurement

# The function that measures each bar of bars.py.
MEASUREMENTS: dict[str, Measurement] = {
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
    "24": lost_phases,
    "25": soak,
    "26": cold_start,
    "27": replica_starts,
}
GROUPS = {
    "overload": ("1",),
    "chaos": ("7", "11", "24", "4", "5", "6", "12", "14", "8", "10", "13", "23", "26", "27"),
    "soak": ("25",),
}


def main(arguments: list[str]) -> int:
    """Measures the given bars. The exit status is 1 when one falls short."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.run",
        description=__doc__,
        epilog=f"The bars, with C for the machine's capacity in new photos per second:\n{listed()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("group", nargs="?", choices=GROUPS, help="measure the bars of a group (default: chaos)")
    one_bar = "measure this bar; may be repeated"
    parser.add_argument("--bar", action="append", default=[], choices=BARS, metavar="N", help=one_bar)
    parser.add_argument("--transport", choices=("fast", "stock"), default="fast", help="the transport of Ray Serve")
    parser.add_argument("--share", type=float, default=1.0, help="scale every duration and count, for a quick look")
    parser.add_argument("--keep", action="store_true", help="write the rows of a scaled run too")
    parser.add_argument("--beside", default="nothing else", help="what else the machine does, for the table")
    given = parser.parse_args(arguments)
    # An exit by exception ends the cluster too. 143 is 128 + SIGTERM, as in shells.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = given.bar or GROUPS[given.group or "chaos"]
    kit = Kit(given.transport, given.share)
    broken = False
    try:
        for measure in dict.fromkeys(MEASUREMENTS[number] for number in wanted):
            broken |= not _measured(kit, measure)
            if given.share >= 1 or given.keep:
                table.keep(kit.rows, beside=given.beside)
    finally:
        kit.fresh()
    print(table.drawn(kit.rows, beside=given.beside))
    return int(broken or not all(row.passed for row in kit.rows))


def _measured(kit: Kit, measure: Measurement) -> bool:
    """Whether the measurement came to its end. After one that broke off, the next gets a new cluster."""
    try:
        measure(kit)
    except (AssertionError, TimeoutError, RuntimeError, OSError) as error:
        kit.say(f"{measure.__name__} broke off: {type(error).__name__}: {str(error)[:2000]}")
        kit.fresh()
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
