"""The rules of docs/architecture.md: who imports whom, what a process loads, sizes, first lines, the environment."""

import ast
import fnmatch
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("pipeline", "models", "serve", "tests")
MODULES = {path.relative_to(ROOT).as_posix(): path for name in OURS for path in sorted((ROOT / name).rglob("*.py"))}
SOURCE = [name for name in MODULES if not name.startswith("tests/")]

# Layers, the lowest first: a module may import its own layer and those below. The longest prefix of a name decides.
LAYERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "pipeline": (
        (
            "pipeline.types",
            "pipeline.limits",
            "pipeline.memory",
            "pipeline.errors",
            "pipeline.versions",
            "pipeline.messages",
            "pipeline.parts",
            "pipeline.fields",
        ),
        ("pipeline.color",),
        ("pipeline.options", "pipeline.codec"),
        ("pipeline.image", "pipeline.garments"),
        ("pipeline.palette",),
        ("pipeline.harmony",),
        ("pipeline.analysis", "pipeline.agreement"),
        ("pipeline.contract",),
        ("pipeline.picture",),
        ("pipeline.backfill",),
    ),
    "serve": (
        (
            "serve.version",
            "serve.settings",
            "serve.vocabulary",
            "serve.wire",
            "serve.waiting",
            "serve.haproxy",
            "serve.imports",
        ),
        ("serve.observe",),
        ("serve.stores", "serve.decode"),
        ("serve.keys", "serve.uploads", "serve.walk", "serve.erase"),
        ("serve.http", "serve.gate"),
        ("serve.openapi",),
        ("serve.readiness", "serve.service", "serve.callers", "serve.assembly"),
        ("serve.api",),
        ("serve.replica",),
        ("serve.deployments",),
        ("serve.app",),
        ("serve.local", "serve.mcp"),
        ("serve.cli",),
    ),
}
# Leaves of a layer that lower layers may use: values that load nothing.
LEAVES = {"serve.keys.quota"}
# Layers whose packages stand side by side and do not know each other.
APART = (("pipeline.image", "pipeline.garments"), ("serve.uploads", "serve.walk"), ("serve.keys", "serve.walk"))
# What stands on another package of ours, and the modules that may.
ACROSS: dict[tuple[str, str], set[str]] = {
    ("pipeline", "models"): {"pipeline.backfill.network", "pipeline.backfill.__main__"},
    ("pipeline", "serve"): set(),
    ("models", "serve"): set(),
    ("serve", "models"): {
        "serve.deployments",
        "serve.replica.weights",
        "serve.mcp",
        "serve.cli.advise",
        "serve.cli.check",
    },
}
# Packages of others, and the modules or folders of ours that may import them.
KNOWERS: dict[str, tuple[str, ...]] = {
    "ray": (
        "serve.app",
        "serve.deployments",
        "serve.observe.ray_hub",
        "serve.local.__main__",
        "serve.local.rays",
        "serve.cli.check",
        "pipeline.backfill.ray_pool",
    ),
    "fastapi": ("serve.api", "serve.callers", "serve.http.pages", "serve.openapi.document"),
    "typer": ("serve.cli.command", "serve.cli.forward"),
    "mcp": ("serve.mcp",),
    "starlette": ("serve.api", "serve.http", "serve.gate"),
    "pydantic": ("serve",),
    "redis": ("serve.stores", "serve.keys", "serve.erase", "serve.local.stores"),
    "scipy": ("models.train", "models.evaluate.calibrate"),
    "torch": (
        "models.networks",
        "models.train",
        "models.evaluate",
        "models.streams",
        "models.export",
        "models.loading",
        "models.onnx_file",
        "models.engines.torch",
    ),
    "openvino": ("models.engines.openvino",),
}
TOP_LEVEL = {
    "pipeline", "models", "serve", "configs", "tests", "docs", ".ci", ".github",
    "cluster.yaml", "pyproject.toml", "Dockerfile", "Makefile", ".gitignore", ".dockerignore",
    ".pre-commit-config.yaml", "README.md", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "NOTICE",
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


def _modules(prefix: str) -> set[str]:
    return {name for name in MODULES if name.startswith(prefix)}


def _offenders(found: dict[str, set[str]]) -> dict[str, set[str]]:
    return {name: bad for name, bad in found.items() if bad}


def _dotted(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _ours(file: str) -> set[str]:
    """The modules of ours that a file imports anywhere in its text, packages without their modules left out."""
    known = {_dotted(name) for name in MODULES if not name.endswith("__init__.py")}
    return set(_imports(file)) & known


def _is_in(module: str, *prefixes: str) -> bool:
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)


def _floor(module: str) -> int:
    """The layer of a module of pipeline or serve."""
    floors = LAYERS[module.partition(".")[0]]
    (found,) = (number for number, layer in enumerate(floors) if _is_in(module, *layer))
    return found


# --- who imports whom -----------------------------------------------------------------------------------------
def test_the_rules_see_the_house_when_it_is_listed() -> None:
    """The globs find the real modules, so that no rule below is proven of an empty list."""
    assert {"pipeline/color/spaces.py", "models/cards.py", "serve/walk/advisor.py"} <= set(MODULES)
    assert "ray" in _packages("serve/deployments.py")
    assert {"serve.wire", "pipeline.types"} <= _ours("serve/walk/advisor.py")


@pytest.mark.parametrize("package", LAYERS)
def test_a_module_has_one_layer_when_listed(package: str) -> None:
    """Every module of pipeline and serve stands in exactly one layer of the table."""
    modules = [_dotted(name) for name in SOURCE if name.startswith(f"{package}/")]
    assert all(_floor(module) >= 0 for module in modules if module != package)


@pytest.mark.parametrize("package", LAYERS)
def test_imports_lead_downwards_when_read(package: str) -> None:
    """A module imports its own layer and those below it; packages that stand side by side do not know each other."""
    upwards: dict[str, set[str]] = {}
    for file in SOURCE:
        module = _dotted(file)
        if not module.startswith(f"{package}."):
            continue
        for other in _ours(file) - LEAVES:
            if not other.startswith(f"{package}."):
                continue
            apart = any(_is_in(module, one) != _is_in(other, one) for pair in APART for one in pair) and any(
                {one for one in pair if _is_in(module, one) or _is_in(other, one)} == set(pair) for pair in APART
            )
            if _floor(other) > _floor(module) or apart:
                upwards.setdefault(module, set()).add(other)
    assert upwards == {}


@pytest.mark.parametrize(("package", "other"), ACROSS)
def test_a_package_knows_another_in_its_places_when_read(package: str, other: str) -> None:
    """The batch job knows the models in two modules, `serve` in one; nothing imports `serve` or the batch job."""
    users = {_dotted(file) for file in SOURCE if file.startswith(f"{package}/") and other in _packages(file)}
    assert users <= ACROSS[package, other]
    batch = {_dotted(file) for file in SOURCE if any(_is_in(name, "pipeline.backfill") for name in _ours(file))}
    assert all(_is_in(module, "pipeline.backfill") for module in batch)


def test_the_command_alone_knows_the_launcher_when_read() -> None:
    """Nothing but `stylesync` imports the development launcher."""
    users = {_dotted(file) for file in SOURCE if any(_is_in(name, "serve.local") for name in _ours(file))}
    assert {module for module in users if not _is_in(module, "serve.local")} == {"serve.cli.command"}


@pytest.mark.parametrize("framework", KNOWERS)
def test_a_framework_stays_in_its_places_when_the_source_is_read(framework: str) -> None:
    """Ray, FastAPI, Starlette, pydantic, redis, scipy and torch are each known to few modules."""
    users = {_dotted(file) for file in SOURCE if framework in _packages(file)}
    assert {module for module in users if not _is_in(module, *KNOWERS[framework])} == set()
    assert users


def test_tests_stay_outside_when_the_source_is_read() -> None:
    """Nothing that ships imports a test."""
    assert {file for file in SOURCE if "tests" in _packages(file)} == set()


# --- what a process really loads ------------------------------------------------------------------------------
# A module, and the packages of others that importing it may load; None: any but those in FORBIDDEN.
MAY_LOAD: dict[str, set[str]] = {
    "pipeline.image.child": {"numpy", "PIL", "msgspec"},
    "serve.gate": {"starlette", "anyio", "python_multipart"},
    "serve.local.launcher": {"psutil", "pydantic", "rich", "yaml"},
    "models.cards": {"numpy", "msgspec"},
}
MUST_NOT_LOAD: dict[str, set[str]] = {
    "serve.app": {"torch", "torchvision", "safetensors", "models"},
    "serve.walk.advisor": {"ray", "fastapi", "torch", "models", "starlette"},
    "serve.service": {"ray", "fastapi", "torch", "models"},
    "serve.assembly": {"ray", "fastapi", "torch", "models", "botocore", "httpx"},
    "serve.api": {"ray", "torch", "models", "rich", "scipy", "botocore", "opentelemetry.sdk.metrics"},
    "models": {"torch", "torchvision", "safetensors", "numpy", "openvino"},
    "models.advice": {"torch", "openvino", "ray"},
    "serve.cli.command": {"torch", "ray", "numpy", "pydantic", "models", "pipeline"},
    "serve.cli.check": {"torch", "ray", "fastapi"},
    "models.registry": {"torch", "httpx"},
    "models.segmenter": {"torch", "openvino", "models.networks"},
    "models.engines.torch": {"torchvision", "transformers", "httpx", "models.fetch", "openvino"},
    "models.engines.openvino": {"torch", "openvino_telemetry", "httpx", "models.networks"},
    "models.engines.choice": {"torch", "openvino"},
    "models.picture": {"torch"},
    "pipeline.contract": {"torch", "ray", "pydantic"},
    "pipeline.backfill.__main__": {"torch", "ray", "openvino"},
}
# Modules that the packages above bring along and that say nothing of our imports.
COMPANIONS = {"typing_extensions", "typing_inspection", "annotated_types", "pydantic_core"}
COMPANIONS |= {"cython_runtime", "pygments", "markdown_it", "mdurl", "idna", "sniffio"}


def _loaded(module: str) -> set[str]:
    """Every module that importing one loads into a fresh interpreter, beyond those that the interpreter starts with.

    Some installations start with modules of their own, such as `sitecustomize`.
    """
    program = f"import sys; before = set(sys.modules); import {module}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", MAY_LOAD)
def test_a_light_process_stays_light_when_it_starts(module: str) -> None:
    """The decode child, Ray's proxies, the launcher and the cards load the packages that are listed, and no other."""
    packages = {name.partition(".")[0] for name in _loaded(module)}
    others = {name for name in packages - sys.stdlib_module_names - set(OURS) if not name.startswith("_")}
    assert others - COMPANIONS <= MAY_LOAD[module]


@pytest.mark.parametrize("module", MUST_NOT_LOAD)
def test_a_process_leaves_out_what_it_does_not_need_when_it_starts(module: str) -> None:
    """Importing loads neither torch, where no network runs, nor a framework that has its place elsewhere."""
    assert _loaded(module) & MUST_NOT_LOAD[module] == set()


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
    scripts = ("#!/usr/bin/env -S python3 -P\n", "")
    assert [name for name, path in MODULES.items() if not path.read_text().replace(*scripts, 1).startswith('"""')] == []


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
