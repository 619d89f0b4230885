"""Starts a Ray on this machine beside others: no port of it is fixed, and no process runs that one node never needs."""

from typing import Any

# What `ray.init` has no option for. Ray chooses a free port where it reads 0. The log monitor copies what workers print
# to the driver, and reads all logs ten times a second for it; the monitor asks a cloud for nodes. Each takes 45 MB.
OF_ONE_MACHINE = {"dashboard_agent_listen_port": 0, "include_log_monitor": False, "no_monitor": True}


def start_ray(**options: Any) -> None:
    """Starts a Ray with `ray.init("local", **options)` whose agents listen on free ports and run their own jobs.

    By default the agents that run submitted jobs all listen on port 52365, so a second Ray on the machine refuses jobs.

    A submitted job looks for its cluster in a file of the cluster's folder, which `ray start` writes and `ray.init`
    does not. Without the file the job takes any Ray that runs on the machine. So `_temp_dir` is needed: without it the
    file would be the one that all programs of the machine share.
    """
    # Ray reads the environment at import, so nothing here may load it earlier.
    import ray
    from ray._private.parameter import RayParams
    from ray._private.utils import write_ray_address

    rays_own = RayParams.__init__

    def with_ours(self: RayParams, *arguments: Any, **named: Any) -> None:
        rays_own(self, *arguments, **{**OF_ONE_MACHINE, **named})

    setattr(RayParams, "__init__", with_ours)  # noqa: B010 - mypy refuses the assignment
    try:
        started: Any = ray.init("local", **options)
    finally:
        setattr(RayParams, "__init__", rays_own)  # noqa: B010
    write_ray_address(started.address_info["gcs_address"], options["_temp_dir"])
