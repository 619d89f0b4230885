"""Tests a run's identity, its resources and its shards."""

import pytest

from pipeline.backfill.errors import BadRequest
from pipeline.backfill.plan import Identity, Parameters, Resources, versions_of
from pipeline.backfill.tables.manifest import Manifest, shard_rows
from pipeline.options import Options, parse_options, shaping


def identity(**parameters: object) -> Identity:
    """The identity of a run with these parameters."""
    return Identity(Parameters(**{"input": "photos", "model": "m", **parameters}), versions_of("m:1:fp32:cpu"))  # type: ignore[arg-type]


def test_identities_are_equal_when_they_were_written_and_read() -> None:
    """An identity does not differ from its own `_run.json`."""
    one = identity(options=Options(max_colors=3), match=("*.jpg",))
    assert one.differences(one.to_json()) == ()


def test_every_difference_is_told_when_identities_differ() -> None:
    """Each field that differs has a line with both values, even in the versions."""
    other = Identity(Parameters(input="photos", model="m", sample=0.5), versions_of("m:2:fp32:cpu"))
    assert identity().differences(other.to_json()) == (
        "parameters.sample: 0.5 there, 1.0 here",
        'versions.segmenter: "m:2:fp32:cpu" there, "m:1:fp32:cpu" here',
    )


def test_options_are_equal_when_they_are_written_differently() -> None:
    """Order, and options that shape no row, make no difference."""
    one = parse_options('{"garments": ["shoes", "top"], "include": ["vector", "masks"], "cache": "bypass"}')
    two = parse_options('{"garments": ["top", "shoes"], "include": ["masks", "timings", "vector"], "store": false}')
    assert shaping(one) == shaping(two)
    assert shaping(one) != shaping(Options())


def test_workers_fill_the_cluster_when_none_are_asked_for() -> None:
    """There are as many workers as fit. With GPUs half of the CPUs read and half advise."""
    assert Resources(cpus=0.5).fitted(cpus=2, gpus=0).workers == 4
    fitted = Resources(gpus=0.5).fitted(cpus=16, gpus=1)
    assert (fitted.workers, fitted.helpers) == (2, 8)
    assert Resources(workers=3).fitted(cpus=2, gpus=0).workers == 3


@pytest.mark.parametrize("resources", [Resources(cpus=4), Resources(gpus=1)])
def test_resources_are_refused_when_the_cluster_can_never_give_them(resources: Resources) -> None:
    """A run refuses resources for which it would wait for ever."""
    with pytest.raises(BadRequest, match="the whole Ray cluster has 2 CPUs and 0 GPUs"):
        resources.fitted(cpus=2, gpus=0)


@pytest.mark.parametrize("rows", [1, 50, 3000, 10**6, 10**8])
@pytest.mark.parametrize("workers", [1, 2, 64])
def test_ten_kills_cost_little_when_shards_are_cut(rows: int, workers: int) -> None:
    """Ten kills of all workers repeat 2.5 % of the rows, or two photos per worker and kill if that is more."""
    size = shard_rows(rows, Resources(workers=workers))
    lost = 10 * workers * size / 2
    assert lost <= max(0.026 * rows, 10 * workers * 2)


def test_shards_cover_every_row_once_when_a_manifest_is_cut() -> None:
    """Every row is in exactly one shard."""
    manifest = Manifest((10, 10, 3), shard_rows=4, skipped=0)
    shards = [shard for part in range(3) for shard in manifest.shards(part)]
    rows = [(shard.part, row) for shard in shards for row in range(shard.start, shard.stop)]
    assert rows == [(part, row) for part, count in enumerate((10, 10, 3)) for row in range(count)]
    assert len({shard.name for shard in shards}) == 7
