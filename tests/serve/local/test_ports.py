"""Tests the ports that a start gives to what it runs."""

import socket

import pytest

from serve.local import processes
from serve.local.processes import HOST, PORTS, free_port, keep_free, port_is_free


def test_no_port_is_given_twice_and_none_that_the_system_gives_out() -> None:
    """A port that is bound seconds later is neither another part's nor one of an outgoing connection."""
    ports = [free_port() for _ in range(300)]
    assert len(set(ports)) == 300
    assert all(port in PORTS for port in ports)
    assert PORTS.stop <= 30_000


def test_a_kept_or_bound_port_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port of the plan, and one that another program listens on, are passed over."""
    first, second, third = free_port(), free_port(), free_port()
    monkeypatch.setattr(processes, "PORTS", (first, second, third))
    monkeypatch.setattr(processes, "_GIVEN", set())
    keep_free(first)
    with socket.socket() as taken:
        taken.bind((HOST, second))
        taken.listen()
        assert not port_is_free(second)
        assert free_port() == third
