"""Marks the tests that need a real cluster, and gives them time: a start may take a minute on a busy machine."""

import pytest

NEEDS_CLUSTER = "test_short.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of the kit's short version."""
    for item in items:
        if item.path.name == NEEDS_CLUSTER and item.path.parent.name == "reliability":
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(300))
