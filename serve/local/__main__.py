"""Development start, `python -m serve.local`: the cluster process, which owns the stores, Ray and Serve; imports ray.

`python -m serve.local` runs the launcher (launcher.py), and that starts this module once more with `--cluster`.
There standard input is the lifeline: its first line is the plan, its end means stop, which also comes when the
launcher was killed.  Standard output carries events to the launcher, one JSON object a line.
"""

import contextlib
import json
import os
import select
import sys
from typing import Any, TextIO

from serve.local import launcher as local_launcher
from serve.local import objects as local_objects
from serve.local import plan as local_plan
from serve.local import stores
from serve.local.plan import Plan
from serve.local.processes import HOST, adopt_orphans, kill_descendants

KILL_TIMEOUT_S = 2.0
STATUS_EVERY_S = 1.0  # each look costs the controller some milliseconds of a busy start
FAILURE_LINES = 40
LOG_LINES = 12


class Launcher:
    """The launcher as the cluster process sees it."""

    def __init__(self) -> None:
        self._events: TextIO = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever Ray prints belongs to the log

    def tell(self, **event: Any) -> None:
        """Sends an event; a launcher that is gone is noticed by `is_gone`."""
        with contextlib.suppress(BrokenPipeError):
            self._events.write(json.dumps(event) + "\n")

    def is_gone(self, wait_s: float) -> bool:
        """Whether the launcher closed the lifeline, at the latest after wait_s."""
        return bool(select.select([sys.stdin], [], [], wait_s)[0])


def cluster_main() -> None:
    """Starts the stores, Ray and the application of the plan on standard input, and ends them at its end of file."""
    adopt_orphans()
    launcher = Launcher()
    plan = Plan.from_json(sys.stdin.readline())
    servers: list[stores.Running] = []
    try:
        launcher.tell(step="Stores")
        servers += _start_stores(plan)
        objects = _start_objects(plan)
        servers += [objects] if objects else []
        _serve(plan, launcher, objects)
    except (stores.StoreFailed, local_objects.ObjectServerFailed) as failure:
        launcher.tell(failed=str(failure))
        launcher.is_gone(60.0)
    finally:
        for server in servers:
            stores.stop(server)
        kill_descendants(within_s=KILL_TIMEOUT_S)


def _start_stores(plan: Plan) -> list[stores.Store]:
    """The stores that no URL was given for; their URLs go into this environment, which Ray's processes inherit."""
    started = []
    if not os.environ.get("REDIS_URL"):
        started.append(stores.start_cache(plan.run_folder))
        os.environ["REDIS_URL"] = started[-1].url
    if not os.environ.get("STATE_REDIS_URL"):
        started.append(stores.start_state(plan.run_folder, plan.state_folder))
        os.environ["STATE_REDIS_URL"] = started[-1].url
    return started


def _start_objects(plan: Plan) -> local_objects.ObjectServer | None:
    """The object store of uploads, where no other is named; it is waited for once Ray has started beside it."""
    if os.environ.get("S3_BUCKET"):
        return None
    started = local_objects.start(plan.run_folder / "objects", plan.objects_folder)
    os.environ.update(started.environment())
    return started


def _serve(plan: Plan, launcher: Launcher, objects: local_objects.ObjectServer | None) -> None:
    launcher.tell(step="Ray")
    import ray  # here, because Ray reads the environment when it is imported, and the launcher needs none of it
    from ray import serve as ray_serve

    ray.init(
        "local",
        num_cpus=max(2, os.cpu_count() or 1),
        object_store_memory=local_plan.OBJECT_STORE_BYTES,
        include_dashboard=True,
        dashboard_host=HOST,
        dashboard_port=plan.dashboard_port,
        namespace="serve",
        _temp_dir=str(plan.run_folder),
    )
    try:
        if objects is not None:
            local_objects.wait_until_ready(objects)
        launcher.tell(step="Serve")
        _deploy(plan)
        launcher.tell(step="Application", deployed=True)
        _follow(plan, launcher)
    finally:
        ray_serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


def _deploy(plan: Plan) -> None:
    """Hands the config to Serve as `serve run` does (ray/serve/scripts.py), without waiting."""
    from ray.serve._private.api import serve_start
    from ray.serve.schema import ServeDeploySchema

    config = ServeDeploySchema.model_validate(plan.config)
    client = serve_start(
        http_options=config.http_options.model_dump(),
        proxy_location=config.proxy_location,
        controller_options=config.controller_options,
    )
    client.deploy_apps(config, _blocking=False)


def _follow(plan: Plan, launcher: Launcher) -> None:
    """Reports the deployments' states until the application runs, then waits for the end."""
    from ray import serve as ray_serve

    seen = ""
    while not launcher.is_gone(STATUS_EVERY_S):
        applications = ray_serve.status().applications
        for name, application in applications.items():
            if application.status == "DEPLOY_FAILED":
                launcher.tell(failed=_failure(plan, name, application))
        states = ", ".join(
            f"{name} {deployment.status.value.lower()}"
            for application in applications.values()
            for name, deployment in application.deployments.items()
        )
        if states != seen:
            launcher.tell(detail=states)
            seen = states
        if applications and all(application.status == "RUNNING" for application in applications.values()):
            break
    while not launcher.is_gone(60.0):
        pass


def _failure(plan: Plan, name: str, application: Any) -> str:
    """What Serve says of the failed deployments, and the end of each one's own log, where the cause stands."""
    lines = [f"The application {name} failed to start. {application.message}"]
    for deployment_name, deployment in application.deployments.items():
        if deployment.status == "DEPLOY_FAILED":
            lines += [f"{deployment_name}: {deployment.message}", *_replica_log_tail(plan, f"{name}_{deployment_name}")]
    return "\n".join("\n".join(lines).splitlines()[-FAILURE_LINES:])


def _replica_log_tail(plan: Plan, deployment: str) -> list[str]:
    logs = (plan.run_folder / "session_latest/logs/serve").glob(f"replica_{deployment}_*.log")
    newest = max(logs, key=lambda path: path.stat().st_mtime, default=None)
    lines = newest.read_text(errors="replace").splitlines() if newest else []
    return ["The end of its log:", *lines[-LOG_LINES:]] if lines else []


if __name__ == "__main__":
    if "--cluster" in sys.argv[1:]:
        cluster_main()
    else:
        sys.exit(local_launcher.main())
