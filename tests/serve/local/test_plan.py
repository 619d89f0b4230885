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


def test_pages_of_this_machine_may_read_when_the_config_says_nothing(tmp_path: Path) -> None:
    """A development start allows localhost origins; a config that names origins keeps its own."""
    (tmp_path / "own.yaml").write_text(
        "applications: [{import_path: 'serve.app:build', args: {cors_origins: ['https://shop.example']}}]"
    )
    for config, allowed in ((None, ["localhost"]), (str(tmp_path / "own.yaml"), ["https://shop.example"])):
        named = {"CONFIG": config} if config else {}
        environment = {"PORT": str(free_port()), "STYLESYNC_DEV_FOLDER": str(tmp_path), **named}
        plan = make_plan(environment, run_folder=tmp_path)
        assert plan.config["applications"][0]["args"]["cors_origins"] == allowed
