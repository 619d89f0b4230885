"""Tests the graph in Serve's local testing mode, without cluster, network or store."""

import json
import os
import subprocess
import sys

from serve.local.plan import REPOSITORY

OURS = ("REDIS_URL", "STATE_REDIS_URL", "STYLESYNC_KEYS_FILE", "STYLESYNC_SECRET_FILE")


def test_colours_are_answered_in_local_testing_mode() -> None:
    """`Advice` reaches `Harmony` through its handle and gives whole advice."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster.local_graph"],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name not in OURS},
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["status"] == 200
    assert found["answer"]["degraded"] == []
    assert found["answer"]["versions"]["harmony"]
    assert found["answer"]["suggestions"]
