"""The plan of a development start: the environment of its processes."""

import shutil
import sys
from pathlib import Path

from serve.local.plan import cluster_environment, make_plan
from serve.local.processes import free_port


def test_python_is_this_one_when_a_process_of_rays_asks_for_it(tmp_path: Path) -> None:
    """Ray is started without an activated environment, and its jobs still find the environment's programs first."""
    plan = make_plan({"PORT": str(free_port()), "STYLESYNC_DEV_FOLDER": str(tmp_path)}, run_folder=tmp_path)
    path = cluster_environment(plan, {"PATH": "/usr/bin:/bin"})["PATH"]
    assert Path(shutil.which("python", path=path) or "").parent == Path(sys.executable).parent
    assert path.endswith(":/usr/bin:/bin")
