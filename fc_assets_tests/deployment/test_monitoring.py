"""Prometheus' configuration, the alerts and the dashboard, by Debian's Prometheus and against a real vLLM."""

import dataclasses
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest
import yaml

from fc_assets.deployment.probe import ask_canaries
from fc_assets.deployment.targets.stack import MONITORING
from fc_assets.foundation.child_processes import processes
from fc_assets.profiles import load_profile
from fc_assets.serving.endpoint import Endpoint
from fc_assets.serving.server import serve
from fc_assets_tests.support.lineage import TOOLS

FOLDER = MONITORING / "prometheus"
DASHBOARD = MONITORING / "grafana" / "dashboards" / "serving.json"
OF_THE_CARD = "DCGM"
SELECTOR = re.compile(r"[a-z_:]+\{[^}]*\}")


@pytest.mark.parametrize(
    "arguments",
    [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]],
    ids=["configuration", "rules", "alerts"],
)
def test_promtool_is_content(arguments: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed on this machine (it comes with Prometheus)")
    checked = subprocess.run([promtool, *arguments], cwd=FOLDER, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_unit_test() -> None:
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
    fired = {each["alertname"] for test in tests for each in test["alert_rule_test"] if each.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in rules}


def dashboard_queries() -> dict[str, str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return {f"{panel['title']} {target['refId']}": target["expr"] for panel in panels for target in panel["targets"]}


def test_the_dashboard_shows_what_it_must() -> None:
    titles = {panel["title"] for panel in json.loads(DASHBOARD.read_text())["panels"]}
    six = {"Time to first token", "Throughput", "Active requests", "KV cache", "Request latency", "GPU memory and load"}
    assert six <= titles
    assert {"Inter-token latency", "Errors", "Prefix cache hits", "Tool calls"} <= titles


class Prometheus:
    """A running Prometheus, asked over HTTP."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api/v1/query"

    def series(self, query: str) -> list[dict[str, object]]:
        """What an instant query returns."""
        parameters = urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(f"{self.url}?{parameters}", timeout=10) as answer:
            return json.load(answer)["data"]["result"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    from fc_assets.profiles import EMBEDDED

    folder = tmp_path_factory.mktemp("engine")
    settings = load_profile("demo").server
    with serve(EMBEDDED, settings, name="fc-policy", log=folder / "vllm.log", model_digest="d1") as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def prometheus(engine: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed on this machine")
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [engine.base_url.removeprefix("http://")]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    shutil.copy(FOLDER / "alerts.yml", folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [
        program,
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with processes.running("prometheus", argv, log=folder / "log", cwd=folder):
        yield Prometheus(port)


@pytest.fixture(scope="module")
def busy(engine: Endpoint, prometheus: Prometheus) -> None:
    """Some seconds of traffic: answers with tools, and requests that are refused."""
    question = {"id": "q", "messages": [{"role": "user", "content": "Weather in Oslo?"}], "tools": TOOLS}
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        ask_canaries(engine, [question], max_tokens=16)
        ask_canaries(dataclasses.replace(engine, model="no-such-model"), [question], max_tokens=16)
        time.sleep(0.3)


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.timeout(600)
def test_every_panel_has_data(busy: None, prometheus: Prometheus) -> None:
    empty = {
        name: query
        for name, query in dashboard_queries().items()
        if OF_THE_CARD not in query and not prometheus.series(query.replace("$__rate_interval", "20s"))
    }
    assert not empty


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.timeout(600)
def test_every_alert_asks_for_series_that_exist(busy: None, prometheus: Prometheus) -> None:
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
    # No request fails in the engine here, so that one label is not asked for.
    selectors = {found for rule in rules for found in SELECTOR.findall(rule["expr"].replace(', status="5xx"', ""))}
    assert len(selectors) >= len(rules)
    assert not [selector for selector in selectors if not prometheus.series(selector)]
