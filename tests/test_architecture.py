"""The house's rules, read from the source by ast: who imports whom, sizes, first lines, no environment at import."""

import ast
import fnmatch
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS = ("pipeline", "models", "serve", "tests")
MODULES = {path.relative_to(ROOT).as_posix(): path for name in OURS for path in sorted((ROOT / name).rglob("*.py"))}
SOURCE = [name for name in MODULES if not name.startswith("tests/")]

# In serve/, by package: the files that may import it.
KNOWERS: dict[str, set[str]] = {
    "ray": {"serve/app.py", "serve/deployments.py", "serve/local/__main__.py", "serve/observe/ray_hub.py"},
    "fastapi": {"serve/api.py", "serve/callers.py", "serve/openapi/document.py", "serve/http/pages.py"},
    "models": {"serve/deployments.py"},
    "torch": set(),
    "tests": set(),
}
TOP_LEVEL = {
    "pipeline", "models", "serve", "configs", "tests", "docs", ".ci", ".github",
    "cluster.yaml", "pyproject.toml", "Dockerfile", "Makefile", ".gitignore", ".dockerignore",
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "NOTICE",
}  # fmt: skip
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


def _names(node: ast.AST) -> Iterator[str]:
    """The dotted names that an import statement may mean: `from a import b` is a, and a.b should that be a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when the module is imported: all but the bodies of functions and what types need."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield from (part for kept in (*node.decorator_list, *_defaults(node)) for part in ast.walk(kept))
        elif not isinstance(node, ast.Lambda) and not _for_types_only(node):
            yield node
            yield from _at_import(node)


def _defaults(function: Function) -> list[ast.expr]:
    arguments = function.args
    return [*arguments.defaults, *(default for default in arguments.kw_defaults if default is not None)]


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def _imports(module: str, *, anywhere: bool = True) -> frozenset[str]:
    nodes = ast.walk(_tree(module)) if anywhere else _at_import(_tree(module))
    return frozenset(name for node in nodes for name in _names(node))


def _packages(module: str) -> set[str]:
    """The top-level packages that a module imports anywhere in its text."""
    return {name.partition(".")[0] for name in _imports(module)}


def _loaded_by(module: str) -> set[str]:
    """What importing a module of ours loads: names of packages of others, and files of ours."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        for name in _imports(current, anywhere=False):
            top = name.partition(".")[0]
            path = name.replace(".", "/")
            files = [file for file in (f"{path}.py", f"{path}/__init__.py") if file in MODULES]
            waiting.extend(files)
            if top not in OURS:
                found.add(top)
    return found


def _modules(prefix: str) -> set[str]:
    return {name for name in MODULES if name.startswith(prefix)}


def _offenders(found: dict[str, set[str]]) -> dict[str, set[str]]:
    return {name: bad for name, bad in found.items() if bad}


# --- who imports whom -----------------------------------------------------------------------------------------
def test_the_rules_see_the_house_when_it_is_listed() -> None:
    """The globs find the real modules, so that no rule below is proven of an empty list."""
    assert {
        "pipeline/color/spaces.py",
        "models/networks/u2net_parser.py",
        "serve/walk/advisor.py",
        "tests/test_architecture.py",
    } <= set(MODULES)
    assert "ray" in _packages("serve/deployments.py")
    assert {"redis", "serve/wire.py", "pipeline/types.py"} <= _loaded_by("serve/walk/advisor.py")


def test_pipeline_is_pure_when_its_imports_are_read() -> None:
    """The core imports no framework and no package of ours; only the backfill knows Ray and the models."""
    banned = {"ray", "torch", "torchvision", "fastapi", "starlette", "pydantic", "redis", "models", "serve", "tests"}
    modules = _modules("pipeline/") - _modules("pipeline/backfill/")
    assert _offenders({module: _packages(module) & banned for module in modules}) == {}


def test_the_backfill_stays_a_shell_when_its_imports_are_read() -> None:
    """It imports nothing that serves and no torch; one file of it knows Ray, and nothing else of ours knows it."""
    shell = _modules("pipeline/backfill/")
    banned = {"torch", "torchvision", "fastapi", "starlette", "pydantic", "redis", "serve", "tests"}
    assert _offenders({module: _packages(module) & banned for module in shell}) == {}
    assert {module for module in shell if "ray" in _packages(module)} == {"pipeline/backfill/ray_pool.py"}
    users = {name for name in SOURCE if any(one.startswith("pipeline.backfill") for one in _imports(name))}
    assert users <= shell


def test_models_know_the_core_alone_when_their_imports_are_read() -> None:
    """The networks import torch and pipeline, and nothing that serves."""
    banned = {"ray", "fastapi", "starlette", "redis", "serve", "tests"}
    assert _offenders({module: _packages(module) & banned for module in _modules("models/")}) == {}


def test_frameworks_stay_in_their_files_when_serve_is_read() -> None:
    """Ray is known to the wiring, FastAPI to the routes, the models to Segmentation, and torch to nobody."""
    found = {package: {module for module in _modules("serve/") if package in _packages(module)} for package in KNOWERS}
    assert _offenders({package: found[package] - KNOWERS[package] for package in KNOWERS}) == {}


def test_the_walk_needs_no_framework_when_it_is_imported() -> None:
    """Neither Ray nor FastAPI nor torch is loaded by the walk's modules, not even through others of ours."""
    parts = ("advice", "phase", "question", "service", "cache", "assembly", "wire", "decoding", "security", "schemas")
    banned = {"ray", "fastapi", "torch", "torchvision"}
    assert _offenders({part: _loaded_by(f"serve/{part}.py") & banned for part in parts}) == {}


def test_torch_stays_out_when_any_process_but_segmentation_starts() -> None:
    """What every replica imports at its start loads neither torch nor the models."""
    banned = {"torch", "torchvision", "safetensors", *_modules("models/")}
    entrances = ("serve/app.py", "serve/deployments.py", "serve/api.py", "serve/local/__main__.py")
    assert _offenders({entrance: _loaded_by(entrance) & banned for entrance in entrances}) == {}


def test_optional_packages_stay_out_when_a_network_is_loaded() -> None:
    """What only some networks or commands need waits until it is asked for; nothing that serves can download."""
    banned = {"torchvision", "transformers", "httpx", "models/fetch.py"}
    assert _loaded_by("models/segmenter.py") & banned == set()
    assert "models.fetch" in set(_imports("models/registry.py"))


def test_a_decode_worker_is_small_when_it_starts() -> None:
    """A worker, which hostile files may take over, loads numpy, Pillow and msgspec, and no other package."""
    packages = {name for name in _loaded_by("serve/decode/worker.py") if not name.endswith(".py")}
    assert packages - sys.stdlib_module_names == {"numpy", "PIL", "msgspec"}


def test_serve_gets_another_name_when_it_comes_from_ray() -> None:
    """`from ray import serve` is always `as ray_serve`, since `serve` is a package of ours."""
    imports = [
        (module, alias.asname)
        for module in MODULES
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.ImportFrom) and node.module == "ray"
        for alias in node.names
        if alias.name == "serve"
    ]
    assert {name for _, name in imports} == {"ray_serve"}


# --- sizes and first lines ------------------------------------------------------------------------------------
def test_files_are_short_when_counted() -> None:
    """No file has more than 400 lines."""
    lines = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert {module: count for module, count in lines.items() if count > MAX_FILE_LINES} == {}


def test_functions_are_short_when_counted() -> None:
    """No function has more than 60 lines, its docstring included."""
    lines = {f"{module}:{function.name}": _lines(function) for module in MODULES for function in _functions(module)}
    assert {name: count for name, count in lines.items() if count > MAX_FUNCTION_LINES} == {}


def _functions(module: str) -> list[Function]:
    return [node for node in ast.walk(_tree(module)) if isinstance(node, Function)]


def _lines(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_a_module_says_what_it_is_when_opened() -> None:
    """Every module opens with a docstring, before anything else."""
    opened = {module: ast.get_docstring(_tree(module)) or "" for module in MODULES}
    assert [module for module, text in opened.items() if len(text.partition("\n")[0]) < 10] == []
    assert [module for module, path in MODULES.items() if not path.read_text().startswith('"""')] == []


def test_a_test_states_its_fact_when_read() -> None:
    """Every test opens with a docstring."""
    tests = [(module, function) for module in _modules("tests/") for function in _functions(module)]
    silent = [f"{module}:{test.name}" for module, test in tests if not ast.get_docstring(test)]
    assert [name for name in silent if ":test_" in name] == []


def test_names_say_what_things_are_when_listed() -> None:
    """There is no drawer for leftovers."""
    assert not {Path(name).stem for name in MODULES} & {"utils", "util", "helpers", "helper", "common", "misc"}


def test_the_environment_is_left_alone_when_a_module_is_imported() -> None:
    """Importing reads no environment variable: settings are read when something is started or built."""
    readers = {
        module: {name for node in _at_import(_tree(module)) if (name := _reads_environment(node))} for module in SOURCE
    }
    assert _offenders(readers) == {}


def _reads_environment(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"):
        return node.attr
    if isinstance(node, ast.Name) and node.id in ("environ", "environb", "getenv"):
        return node.id
    called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
    return called if called in ("Environment", "SegmentationSettings") else ""


def test_the_house_has_its_agreed_rooms_when_listed() -> None:
    """At the top stand the contract's names and what every project has, beside what git ignores."""
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split() if not line.startswith("#")]
    found = {path.name for path in ROOT.iterdir() if path.name != ".git"}
    kept = {name for name in found if not any(fnmatch.fnmatch(name, pattern) for pattern in ignored)}
    assert kept <= TOP_LEVEL
