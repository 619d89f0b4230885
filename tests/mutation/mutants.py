"""Makes mutants of the code with Cosmic Ray's operators, and draws a sample of them."""

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

# Operators that need names of variables, which would have to be listed by hand.
WITH_ARGUMENTS = ("core/VariableReplacer", "core/VariableInserter")
# Arguments of dataclasses and structs that no behaviour depends on.
OF_STYLE = ("frozen", "slots")
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file: the operator and the number of the place where it is applied."""

    path: str
    place: Place
    operator: str
    occurrence: int

    def code(self, source: str) -> str:
        """The whole file with the change."""
        changed = mutate_code(source, get_operator(self.operator)(), self.occurrence)
        if changed is None:
            raise ValueError(f"{self.operator} has no occurrence {self.occurrence} in {self.path}.")
        return str(changed)


class _Places(Visitor):  # type: ignore[misc]
    """Collects where one operator can be applied, in the order in which Cosmic Ray counts."""

    def __init__(self, name: str) -> None:
        self.found: list[Place] = []
        self._operator = get_operator(name)()

    def visit(self, node: object) -> object:
        self.found += [start for start, _ in self._operator.mutation_positions(node)]
        return node


def sample(root: Path, paths: list[str], count: int, seed: int) -> list[Mutant]:
    """Draws places of the files at random, and one mutant of each."""
    by_place: dict[tuple[str, Place], list[Mutant]] = {}
    for path in paths:
        source = (root / path).read_text()
        kept_out = list(_without_behaviour(ast.parse(source)))
        for mutant in _mutants(path, source):
            if not any(start <= mutant.place < end for start, end in kept_out):
                by_place.setdefault((path, mutant.place), []).append(mutant)
    rng = random.Random(seed)
    places = rng.sample(sorted(by_place), min(count, len(by_place)))
    return [rng.choice(by_place[place]) for place in sorted(places)]


def _mutants(path: str, source: str) -> Iterator[Mutant]:
    tree = get_ast(source)
    for name in sorted(set(operator_names()) - set(WITH_ARGUMENTS)):
        places = _Places(name)
        places.walk(tree)
        for occurrence, place in enumerate(places.found):
            yield Mutant(path, place, name, occurrence)


def _without_behaviour(tree: ast.Module) -> Iterator[tuple[Place, Place]]:
    """The places of annotations and of what dataclasses are told about style."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield _span(node.annotation)
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias" and node.value is not None:
            yield _span(node.value)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield _span(node.returns)
        if isinstance(node, ast.keyword) and node.arg in OF_STYLE:
            yield _span(node)


def _span(node: ast.expr | ast.keyword) -> tuple[Place, Place]:
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or 0)
