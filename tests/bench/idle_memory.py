"""Measures how idle replicas of Ray Serve without our code grow: `python -m tests.bench.idle_memory`.

The soak (bar 25) counts this growth as ours.
"""

import argparse
import time

import psutil

from tests.bench.transport_profiles import FAST, serving

APPLICATION = "tests.cluster.transports_app:build"
MIB = 2**20


def main() -> None:
    """Prints each replica's resident memory."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.idle_memory", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="the duration, s (default: 600)")
    parser.add_argument("--every", type=float, default=60, help="the time between two lines, s (default: 60)")
    options = parser.parse_args()
    with serving(FAST, APPLICATION):
        replicas = [one for one in psutil.process_iter() if "ServeReplica" in " ".join(one.cmdline())]
        for number in range(int(options.seconds // options.every) + 1):
            sizes = ", ".join(
                f"{one.cmdline()[0].split(':')[-1]} {one.memory_info().rss / MIB:.1f}" for one in replicas
            )
            print(f"{number * options.every:5.0f} s: {sizes} MiB", flush=True)
            time.sleep(options.every)


if __name__ == "__main__":
    main()
