#!/bin/sh
# Runs `stylesync` from the tree that this environment stands in. `make serve` copies this file to .venv/bin/stylesync.
script=$0
[ -L "$script" ] && script=$(readlink -f "$script")
here=$(cd "$(dirname "$script")" && pwd)
root=$(cd "$here/../.." && pwd)
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONPATH
exec "$here/python" -m serve.cli "$@"
