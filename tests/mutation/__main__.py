"""Mutation testing: `python -m tests.mutation`; `make mutate`.

It changes one place of the code at a time, in a copy of the tree, and looks whether a test of that file fails. Mutants
that survived and stand in equivalent.toml change nothing that a caller can see. The command keeps what it found in
out/mutation.json, goes on from there when it is called again, and writes docs/results/mutation.md.
"""

import argparse
import fcntl
import json
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from serve.local.plan import REPOSITORY
from tests.mutation.areas import AREAS, tests_of
from tests.mutation.mutants import Mutant, sample
from tests.mutation.report import Tried, report, write
from tests.mutation.trials import Trial, copy_of_the_tree, load_libraries

SEED = 24
FOUND = REPOSITORY / "out" / "mutation.json"
# Taste: how many mutants are tried before others may have the machine.
IN_A_TURN = 20


@contextmanager
def turn(lock: Path | None) -> Iterator[None]:
    """Holds a lock file, where one is given: other work on the machine waits meanwhile."""
    if lock is None:
        yield
        return
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def drawn() -> list[tuple[str, Mutant]]:
    """The sample: area and mutant, in an order in which a part of it is a sample too."""
    found = [
        (area.name, mutant)
        for number, area in enumerate(AREAS)
        for mutant in sample(REPOSITORY, area.paths(REPOSITORY), area.count, SEED + number)
    ]
    random.Random(SEED).shuffle(found)
    return found


def main(arguments: list[str]) -> int:
    """Tries the sample. The exit status is 1 when too few are killed."""
    parser = argparse.ArgumentParser(prog="tests.mutation", description=__doc__)
    parser.add_argument("--again", action="store_true", help="try the survivors again, after a change of the tests")
    parser.add_argument("--afresh", action="store_true", help="forget what was found before")
    parser.add_argument("--lock", type=Path, help=f"a file to lock for each {IN_A_TURN} mutants")
    parser.add_argument("--most", type=int, default=sys.maxsize, help="try this many mutants at most")
    given = parser.parse_args(arguments)
    mutants = drawn()
    found = {} if given.afresh or not FOUND.exists() else _read()
    if given.again:
        found = {key: tried for key, tried in found.items() if tried.outcome != "survived"}
    open_ones = [(area, mutant) for area, mutant in mutants if _key(mutant) not in found][: given.most]
    load_libraries()
    FOUND.parent.mkdir(exist_ok=True)
    with copy_of_the_tree(REPOSITORY) as tree:
        trial = Trial(tree)
        while open_ones:
            with turn(given.lock):
                for area, mutant in open_ones[:IN_A_TURN]:
                    found[_key(mutant)] = _try(trial, area, mutant)
                    FOUND.write_text(json.dumps({key: asdict(tried) for key, tried in found.items()}, indent=1))
            del open_ones[:IN_A_TURN]
            print(f"{len(found)} of {len(mutants)} tried", file=sys.stderr, flush=True)
    tried = [found[_key(mutant)] for _, mutant in mutants if _key(mutant) in found]
    write(tried, of=len(mutants))
    text, passed = report(tried, of=len(mutants))
    print(text)
    return int(not passed)


def _try(trial: Trial, area: str, mutant: Mutant) -> Tried:
    source = (REPOSITORY / mutant.path).read_text()
    code = mutant.code(source)
    outcome = trial.outcome(mutant.path, code, tests_of(mutant.path, REPOSITORY))
    line = mutant.place[0]
    before, after = source.splitlines(), code.splitlines()
    changed = next((one for one, other in zip(after, before, strict=False) if one != other), "")
    return Tried(area, mutant.path, line, before[line - 1].strip(), changed.strip(), mutant.operator, outcome)


def _key(mutant: Mutant) -> str:
    line = (REPOSITORY / mutant.path).read_text().splitlines()[mutant.place[0] - 1].strip()
    return f"{mutant.path} {mutant.place} {mutant.operator} {mutant.occurrence} {line}"


def _read() -> dict[str, Tried]:
    return {key: Tried(**tried) for key, tried in json.loads(FOUND.read_text()).items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
