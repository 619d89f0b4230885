"""Serves one application until standard input ends: `python -m tests.bench.transport_host IMPORT_PATH PORT FOLDER`.

Serve reads its flags from the environment when Ray is imported, so each transport profile gets a process of its own;
transport_profiles.py starts them.
"""

import importlib
import sys

import ray
from ray import serve as ray_serve

from serve.local.plan import OBJECT_STORE_BYTES
from serve.local.processes import HOST, adopt_orphans, kill_descendants
from serve.local.rays import start_ray


def main(import_path: str, port: int, folder: str) -> None:
    """Starts Ray in the folder and the application of `module:build`, and stops both when standard input ends."""
    adopt_orphans()
    module, _, name = import_path.partition(":")
    try:
        start_ray(
            num_cpus=2,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            namespace="serve",
            log_to_driver=False,
            _temp_dir=folder,
        )
        ray_serve.start(http_options={"host": HOST, "port": port})
        ray_serve.run(getattr(importlib.import_module(module), name)(), name="bench", route_prefix="/")
        print("ready", flush=True)
        sys.stdin.read()
        ray_serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()
    finally:
        kill_descendants(within_s=5.0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
