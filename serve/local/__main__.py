"""Starts the development service, `python -m serve.local`, and runs its cluster process.

`python -m serve.local` runs the launcher (launcher.py), which starts this module again with `--cluster`. That cluster
process owns the stores, Ray and Serve. Its standard input is the lifeline: the first line is the plan, and its end
means stop, also when the launcher was killed. Its standard output carries events to the launcher, one JSON object per
line.
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
from serve.local.processes import HOST, adopt_orphans, keep_free, kill_descendants
from serve.local.rays import start_ray

# Taste: processes that survive SIGKILL for longer are left to the launcher.
KILL_TIMEOUT_S = 2.0
# Taste: each status request costs the controller some milliseconds of a busy start.
STATUS_EVERY_S = 1.0
# Taste: lines of a failure, and of a failed replica's own log in it.
FAILURE_LINES = 40
LOG_LINES = 12


class Launcher:
    """The launcher as the cluster process sees it."""

    def __init__(self) -> None:
        self._events: TextIO = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
        # What Ray prints belongs in the log.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(self, **event: Any) -> None:
        """Sends an event. `is_gone` notices when the launcher has gone."""
        with contextlib.suppress(BrokenPipeError):
            self._events.write(json.dumps(event) + "\n")

    def is_gone(self, wait_s: float) -> bool:
        """Whether the launcher closed the lifeline; waits at most wait_s for it."""
        return bool(select.select([sys.stdin], [], [], wait_s)[0])


def cluster_main() -> None:
    """Starts the stores, Ray and the application of the plan on standard input, and stops them at its end."""
    adopt_orphans()
    launcher = Launcher()
    plan = Plan.from_json(sys.stdin.readline())
    keep_free(plan.port, plan.dashboard_port, *(int(os.environ[name]) for name in local_plan.TRANSPORT_PORTS))
    servers: list[stores.Running] = []
    try:
        launcher.send(step="Stores")
        servers += _start_stores(plan)
        objects = _start_objects(plan)
        servers += [objects] if objects else []
        _serve(plan, launcher, objects)
    except (stores.StoreFailed, local_objects.ObjectServerFailed) as failure:
        launcher.send(failed=str(failure))
        launcher.is_gone(60.0)
    finally:
        for server in servers:
            stores.stop(server)
        kill_descendants(within_s=KILL_TIMEOUT_S)


def _start_stores(plan: Plan) -> list[stores.Store]:
    """Starts each store without a given URL, and puts its URL into this environment, which Ray's processes inherit."""
    started = []
    if not os.environ.get("REDIS_URL"):
        started.append(stores.start_cache(plan.run_folder))
        os.environ["REDIS_URL"] = started[-1].url
    if not os.environ.get("STATE_REDIS_URL"):
        started.append(stores.start_state(plan.run_folder, plan.state_folder))
        os.environ["STATE_REDIS_URL"] = started[-1].url
    return started


def _start_objects(plan: Plan) -> local_objects.ObjectServer | None:
    """Starts the object store of uploads unless one is configured; Ray starts before it has to be ready."""
    if os.environ.get("S3_BUCKET"):
        return None
    started = local_objects.start(plan.run_folder / "objects", plan.objects_folder)
    os.environ.update(started.environment())
    return started


def _serve(plan: Plan, launcher: Launcher, objects: local_objects.ObjectServer | None) -> None:
    launcher.send(step="Ray")

    # Ray is imported here, because it reads the environment at import, and the launcher must not load it.
    import ray
    from ray import serve as ray_serve

    start_ray(
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
        launcher.send(step="Serve")
        _deploy(plan)
        launcher.send(step="Application", deployed=True)
        _follow(plan, launcher)
    finally:
        ray_serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


def _deploy(plan: Plan) -> None:
    """Deploys the config as `serve run` does (ray/serve/scripts.py), without waiting."""
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
    """Reports the deployments' states until the application runs, then waits for the lifeline's end."""
    from ray import serve as ray_serve

    seen = ""
    while not launcher.is_gone(STATUS_EVERY_S):
        applications = ray_serve.status().applications
        for name, application in applications.items():
            if application.status == "DEPLOY_FAILED":
                launcher.send(failed=_failure(plan, name, application))
        states = ", ".join(
            f"{name} {deployment.status.value.lower()}"
            for application in applications.values()
            for name, deployment in application.deployments.items()
        )
        if states != seen:
            launcher.send(detail=states)
            seen = states
        if applications and all(application.status == "RUNNING" for application in applications.values()):
            break
    while not launcher.is_gone(60.0):
        pass


def _failure(plan: Plan, name: str, application: Any) -> str:
    """Serve's messages about the failed deployments, and the end of each one's own log, which has the cause."""
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
