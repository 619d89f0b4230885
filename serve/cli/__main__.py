"""Runs the command `stylesync` as `python -m serve.cli`, or says which environment has its packages."""

import sys

if __name__ == "__main__":
    try:
        from serve.cli.command import main
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "serve":
            raise
        sys.exit(f"The package {error.name} is not installed here. Run `make install`, then .venv/bin/stylesync.")
    sys.exit(main())
