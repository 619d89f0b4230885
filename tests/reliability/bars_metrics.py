"""Measures bar 23: the merged metrics of three ingress replicas under load, junk addresses and a kill."""

import random
import threading
import time
from itertools import pairwise

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.application import is_alive
from tests.reliability import layouts, load
from tests.reliability.cluster import Cluster, wait_until
from tests.reliability.kit import Kit

# The suffixes of samples that only grow.
COUNTED = ("_total", "_count", "_sum", "_bucket")
# Taste: the least number of scrapes, the number of junk addresses, and the pause before counts must agree.
SCRAPES, JUNK, QUIET_S = 50, 10_000, 5.0
Scrape = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def merged(kit: Kit) -> None:
    """Measures bar 23, merged metrics. The proxy picks the replica of a scrape; each must show the whole."""
    at = kit.cluster(layouts.layout(Advice=3))
    scrapes, junk = list[Scrape](), round(JUNK * kit.share)
    # All earlier requests are counted after this pause.
    time.sleep(QUIET_S)
    with at.client() as client:
        scrapes.append(scrape(client))
        running = load.start(at.load(for_s=20 * kit.share, per_s=20, kinds={"colors": 1.0}, seed=23))
        thread = threading.Thread(target=_send_junk, args=(at, junk))
        thread.start()
        while len(scrapes) <= SCRAPES or thread.is_alive():
            scrapes.append(scrape(client))
            time.sleep(0.2)
        thread.join()
        shots = running.shots()
        time.sleep(QUIET_S)
        scrapes.append(scrape(client))
        sent = {"/v1/advice": len(shots), "none": junk}
        counted = {route: _requests(scrapes[-1], route) - _requests(scrapes[0], route) for route in sent}
        series = len({key for key in scrapes[-1] if dict(key[1]).get("route") == "none"})

        victim = random.Random(23).choice(at.replicas("Advice"))
        victim.kill()
        wait_until(lambda: not is_alive(victim) and len(at.replicas("Advice")) == 3)
        wait_until(at.is_ready)
        scrapes += [scrape(client) for _ in range(10)]
    backwards = sum(_ran_backwards(before, after) for before, after in pairwise(scrapes))
    kit.row(
        "23",
        f"{len(scrapes)} scrapes over 3 ingress replicas, {junk} junk addresses, then one replica killed",
        f"{backwards} counters ran backwards; "
        + ", ".join(f"{route}: {counted[route]:.0f} of {sent[route]}" for route in sent)
        + f"; {series} series",
        not backwards and counted == sent and series < 50,
    )


def scrape(client: httpx.Client) -> Scrape:
    """Scrapes the samples by name and labels. Repeats a scrape that reached a dying replica."""
    while True:
        try:
            text = client.get("/v1/metrics").raise_for_status().text
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


def _send_junk(at: Cluster, count: int) -> None:
    rng = random.Random(23)
    with at.client() as client:
        for _ in range(count):
            client.get(f"/{rng.getrandbits(64):x}/{rng.getrandbits(16)}")


def _requests(samples: Scrape, route: str) -> float:
    """The number of requests of a route. Scrapes have a route of their own."""
    return sum(
        value
        for (name, labels), value in samples.items()
        if name == "colormatch_http_requests_total" and ("route", route) in labels
    )


def _ran_backwards(before: Scrape, after: Scrape) -> int:
    return sum(after.get(key, 0.0) < value for key, value in before.items() if key[0].endswith(COUNTED))
