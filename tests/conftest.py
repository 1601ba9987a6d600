"""Every test runs without a network: no socket reaches another machine, nor this one unless a test is marked `loopback`."""

import os
import socket
from typing import Any

import pytest

from veridical.core.surroundings import opt_out_of_telemetry

opt_out_of_telemetry()
os.environ.setdefault("HF_HUB_OFFLINE", "1")
LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


class NetworkUsed(Exception):
    """A test tried to reach another machine, or this one without the marker `loopback`."""


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections, and name look-ups that leave the machine; connections to a server of the test's own need the marker."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo
    reachable = LOOPBACK if request.node.get_closest_marker("loopback") else ()

    def allowed(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(reachable):
            raise NetworkUsed(f"connection to {address}")

    def guarded(self: socket.socket, address: Any) -> None:
        allowed(self, address)
        connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        allowed(self, address)
        return connect_ex(self, address)

    def looked_up(host: Any, *arguments: Any, **options: Any) -> Any:
        if host is not None and not str(host).startswith(LOOPBACK):
            raise NetworkUsed(f"look-up of {host}")
        return getaddrinfo(host, *arguments, **options)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_ex)
    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
