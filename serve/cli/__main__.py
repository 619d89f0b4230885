"""Runs the command `stylesync` as `python -m serve.cli`."""

import sys

from serve.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
