"""Speaking to a cluster where that is not possible, and the tunnel that ends by itself."""

import http.client
import sys
import time
from pathlib import Path

import pytest

from fc_assets.deployment.targets import tunnel
from fc_assets.deployment.targets.api import ClusterApi, ClusterError
from fc_assets.deployment.targets.tunnel import Tunnel


def test_without_the_client_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(ClusterError, match=r"pip install 'fc-assets\[kubernetes\]'"):
        ClusterApi("", "fc-assets").version()


def test_without_a_cluster_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("kubernetes", reason="the package kubernetes is not installed (the extra `kubernetes`)")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ClusterError, match=r"No cluster is configured on this machine: .*; set KUBECONFIG"):
        ClusterApi("", "fc-assets").version()


def test_a_tunnel_that_nobody_asks_ends_and_one_without_a_pod_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kubernetes", reason="the package kubernetes is not installed (the extra `kubernetes`)")
    monkeypatch.setattr(tunnel, "IDLE_SECONDS", 0.3)
    opened = Tunnel(ClusterApi("", "fc-assets"), lambda: "")
    client = http.client.HTTPConnection("127.0.0.1", opened.server_address[1])
    client.request("GET", "/health")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.getresponse()
    deadline = time.monotonic() + 20
    while opened.fileno() != -1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert opened.expired
