"""Says which files are mutated, how many mutants each area gets, and which tests must notice them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Area:
    """Files that are mutated together. count: the mutants of the area. files: glob patterns."""

    name: str
    count: int
    files: tuple[str, ...]

    def paths(self, root: Path) -> list[str]:
        """The files, relative to the root, in order."""
        found = {path for pattern in self.files for path in root.glob(pattern) if path.name != "__init__.py"}
        return sorted(str(path.relative_to(root)) for path in found)


WALK = ("phase_call", "phases", "breaker", "admission")
AREAS = (
    Area("colour", 70, ("pipeline/color/*.py",)),
    Area("garments", 50, ("pipeline/garments/*.py",)),
    Area("palette", 70, ("pipeline/palette/*.py",)),
    Area("harmony", 90, ("pipeline/harmony/*.py",)),
    Area(
        "photo and answer",
        40,
        ("pipeline/image/*.py", *(f"pipeline/{name}.py" for name in ("analysis", "contract", "options"))),
    ),
    Area(
        "phase, breaker, admission",
        40,
        tuple(f"serve/walk/{name}.py" for name in WALK),
    ),
    Area("cache, keys", 40, ("serve/stores/cache.py", "serve/stores/sealing.py", "serve/keys/*.py")),
)
# Files whose tests stand elsewhere than the tree says.
ELSEWHERE = {
    "pipeline/analysis.py": ("tests/pipeline/test_analysis.py", "tests/pipeline/test_contract.py"),
    "pipeline/contract.py": ("tests/pipeline/test_contract.py", "tests/pipeline/test_analysis.py"),
    "pipeline/image/child.py": ("tests/serve/decode/test_pool_start.py", "tests/serve/decode/test_pool.py"),
    "pipeline/options.py": ("tests/pipeline/test_options.py", "tests/serve/http/test_schemas.py"),
}
# Whole folders would run what starts a server.
IN_FOLDER = {
    "tests/serve/stores": (
        "tests/serve/stores/test_cache.py",
        "tests/serve/stores/test_sealing.py",
        "tests/serve/walk/test_advice_cache.py",
    ),
}
# Tests that take half a minute, for what they are about alone.
SLOW = {
    "tests/pipeline/harmony/test_truth.py": ("reasons", "suggestions"),
    "tests/serve/keys/test_command.py": ("__main__",),
}


def tests_of(path: str, root: Path) -> tuple[tuple[str, ...], ...]:
    """The tests of a file in two stages: those of its name, and the others of its folder."""
    if path in ELSEWHERE:
        return tuple((test,) for test in ELSEWHERE[path])
    folder = root / "tests" / Path(path).parent
    own = folder / f"test_{Path(path).stem}.py"
    others = [str(test.relative_to(root)) for test in sorted(folder.glob("test_*.py")) if test != own]
    found = IN_FOLDER.get(str(folder.relative_to(root)), others)
    stages = (
        (str(own.relative_to(root)),) if own.exists() else (),
        tuple(one for one in found if _is_about(one, path)),
    )
    return tuple(stage for stage in stages if stage)


def _is_about(test: str, path: str) -> bool:
    return test not in SLOW or Path(path).stem in SLOW[test]
