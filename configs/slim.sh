#!/usr/bin/env bash
# Takes from an image's environment what the service never uses there.  Launch: slim.sh ENVIRONMENT   (the Dockerfile does)
set -euo pipefail
environment=$1
packages=$(echo "$environment"/lib/python3*/site-packages)

# C++ headers, static libraries and tests of torch; Ray's Java and reinforcement learning.
rm -rf "$packages"/torch/{include,test,bin/test_*} "$packages"/ray/{jars,cpp,rllib} "$packages"/{numpy,pyarrow}/tests
find "$packages" -name '*.a' -delete
find "$packages"/numpy -type d -name tests -prune -exec rm -rf {} +

# Last, since the sources' times are kept in them.
"$environment/bin/python" -m compileall -q -j 0 "$packages" || true # some packages carry templates that are no Python
rm -f "$environment/bin/uv" "$environment/bin/uvx"
