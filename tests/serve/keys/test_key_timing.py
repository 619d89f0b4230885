"""The time of a key check is the same whether the first or last character is wrong, or the id is unknown."""

import gc
import math
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import Unauthenticated
from serve.keys.keyring import KeyRing
from serve.keys.records import KeyFile, new_key, write_keys

PEPPER = b"pepper"
ROUNDS = 10_000
ATTEMPTS = 12
# Contract: how far the medians of wrong secrets may be apart.
MOST = 0.01
# Taste: an unknown id may take longer, since a dictionary lookup fails; ids are not secret.
MOST_OF_ID = 0.03


def _median_ns(keys: KeyRing, wrong: dict[str, str]) -> dict[str, float]:
    """The median time per key. Each round checks every key once, in rotating order, so that other load hits all."""
    times: dict[str, list[int]] = {name: [] for name in wrong}
    names = list(wrong)
    for k in range(ROUNDS):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            began_ns = time.perf_counter_ns()
            try:
                # A ring without a store never waits, so it needs no event loop, which would blur the times.
                keys.authenticate(wrong[name]).send(None)
            except Unauthenticated:
                times[name].append(time.perf_counter_ns() - began_ns)
    return {name: statistics.median(taken) for name, taken in times.items()}


@contextmanager
def _no_collections() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_the_time_tells_nothing_when_a_key_is_wrong(tmp_path: Path) -> None:
    """Medians of 10,000 interleaved checks hardly differ. Each difference is the least of several: load widens it."""
    key, record = new_key(tenant="shop", scopes=("advice",), pepper=PEPPER)
    write_keys(tmp_path / "keys.json", [record])
    prefix, key_id, secret = key.split("_", 2)
    wrong = {
        "first": f"{prefix}_{key_id}_{'A' if secret[0] != 'A' else 'B'}{secret[1:]}",
        "last": f"{key[:-1]}{'A' if key[-1] != 'A' else 'B'}",
        "id": f"{prefix}_{key_id[::-1] if key_id != key_id[::-1] else '0' * 12}_{secret}",
    }
    keys = KeyRing(PEPPER, file=KeyFile(tmp_path / "keys.json"))
    spread = of_id = math.inf
    copies = []
    for _ in range(ATTEMPTS):
        # Where a text lies in memory moves its median by more than a percent, so every attempt has new copies.
        copies.append({name: "".join(list(one)) for name, one in wrong.items()})
        with _no_collections():
            medians = _median_ns(keys, copies[-1])
        spread = min(spread, _spread(medians["first"], medians["last"]))
        of_id = min(of_id, _spread(*medians.values()))
        if spread < MOST and of_id < MOST_OF_ID:
            break
    print(f"medians in ns: {medians}; spread {spread:.2%}, with the unknown id {of_id:.2%}")
    assert spread < MOST
    assert of_id < MOST_OF_ID


def _spread(*medians: float) -> float:
    return max(medians) / min(medians) - 1
