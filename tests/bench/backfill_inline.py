"""Runs the backfill's command with its work in its own process instead of on Ray."""

import sys

from pipeline.backfill.__main__ import main
from tests.pipeline.backfill.catalogue import InlinePool

if __name__ == "__main__":
    sys.exit(main(make_pool=InlinePool))
