#!/bin/sh
# What Ray starts as HAProxy (RAY_SERVE_HAPROXY_BINARY_PATH): haproxy.py, which becomes HAProxy itself.
exec python3 -P "$(dirname "$0")/haproxy.py" "$@"
