"""Starting a server and all that can go wrong with it; the real vLLM is in the slow tests."""

import json
import re
import shutil
import socket
import sys
import time
from pathlib import Path

import pytest

from fc_assets.deployment.engine import release_name
from fc_assets.profiles import EMBEDDED, ServerSettings
from fc_assets.serving import server
from fc_assets.serving.server import ServerError, connect, connect_to_artifact, serve
from fc_assets_tests.support.scripted_server import ScriptedServer, answer

DIGEST = "a" * 64
CPU = ServerSettings(device="cpu", dtype="float32", start_timeout_s=20)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    shutil.copy(EMBEDDED / "config.json", tmp_path / "model")
    return tmp_path / "model"


def use_program(monkeypatch: pytest.MonkeyPatch, program: str) -> list[dict[str, str]]:
    """Start `program` instead of vLLM, with the port as its argument; return the environments it was given."""
    environments = []

    def command(model: Path, settings: ServerSettings, name: str, port: int, key: str) -> tuple[list, dict]:
        environments.append({"VLLM_API_KEY": key})
        return [sys.executable, "-c", program, str(port)], environments[-1]

    monkeypatch.setattr(server, "_command", command)
    return environments


def refusal(model: Path, log: Path, **changes: object) -> str:
    """What is said when a server for `model` does not start."""
    with (
        pytest.raises(ServerError) as error,
        serve(model, CPU.model_copy(update=changes), name="m", log=log, model_digest=DIGEST),
    ):
        pass
    return str(error.value)


def test_a_folder_without_a_checkpoint(tmp_path: Path) -> None:
    assert re.search(r"no checkpoint to serve at .* no config\.json", refusal(tmp_path, tmp_path / "log"))


def test_a_used_port(tmp_path: Path, checkpoint: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        said = refusal(checkpoint, tmp_path / "log", port=other.getsockname()[1])
    assert re.search(r"Port \d+ is in use .* server\.port", said)


def test_a_server_that_dies_is_noticed_at_once_and_its_reason_told(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_program(monkeypatch, "raise ValueError('the dtype is not one of mine.')")
    began = time.monotonic()
    said = refusal(checkpoint, tmp_path / "log")
    assert time.monotonic() - began < 10
    assert "ended with status 1 before it could serve m: the dtype is not one of mine." in said
    assert "Traceback" in said  # the log's tail


def test_a_server_that_is_never_healthy(tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_program(monkeypatch, "import time; print('still loading', flush=True); time.sleep(60)")
    said = refusal(checkpoint, tmp_path / "log", start_timeout_s=1)
    assert re.search(r"(?s)not ready to serve m within 1 s .*still loading", said)


def test_a_port_that_was_taken_meanwhile_is_tried_again(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = use_program(monkeypatch, "raise OSError(98, 'Address already in use')")
    assert "already in use" in refusal(checkpoint, tmp_path / "log")
    assert len(tries) == 3


def test_somebody_elses_server_on_our_port_is_not_taken_for_ours(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is healthy, but it does not know our key."""
    program = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Stranger(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 401)
        self.end_headers()
HTTPServer(("127.0.0.1", int(sys.argv[1])), Stranger).serve_forever()
"""
    use_program(monkeypatch, program)
    assert "not ready" in refusal(checkpoint, tmp_path / "log", start_timeout_s=3)


def test_the_key_is_random_and_in_no_argument(tmp_path: Path, checkpoint: Path) -> None:
    argv, env = server._command(checkpoint, CPU, "m", 1, "s3cret")
    assert "s3cret" not in " ".join(argv)
    assert env["VLLM_API_KEY"] == "s3cret"
    assert env["HF_HUB_OFFLINE"] == "1"
    assert not any("trust" in word for word in argv)
    assert argv[argv.index("--host") + 1] == "127.0.0.1"


def test_an_external_server_is_used_as_it_is_and_cannot_prove_what_it_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(server.API_KEY_VARIABLE, "theirs")
    ours = release_name("fc-policy", DIGEST)  # as a deployment serves a release
    models = f'{{"data": [{{"id": "fc-policy"}}, {{"id": "{ours}", "max_model_len": 512}}]}}'
    with ScriptedServer(answer, {"/version": '{"version": "9"}', "/v1/models": models}) as external:
        settings = ServerSettings(api_url=external.url + "/v1/")
        with serve(tmp_path, settings, name="m", log=tmp_path / "log", model_digest=DIGEST) as endpoint:
            assert (endpoint.base_url, endpoint.model) == (external.url, ours)
            assert endpoint.headers == {"Authorization": "Bearer theirs"}
            assert (endpoint.info.version, endpoint.info.max_model_len) == ("9", 512)
            assert "theirs" not in repr(endpoint)
            record = endpoint.info.record()
            assert (record["model_digest"], record["claim"]) == ("", f"external, claimed by name: {ours}")


@pytest.mark.parametrize("served", ["m", "m-" + "b" * 16, "m-" + "a" * 16 + "-" + "b" * 16, "a" * 15])
def test_an_external_server_whose_name_lacks_the_digest_is_refused(tmp_path: Path, served: str) -> None:
    """Also one that serves a single model, and one whose name has two digests: it is the last one that counts."""
    with ScriptedServer(answer, {"/v1/models": f'{{"data": [{{"id": "{served}"}}]}}'}) as external:
        said = refusal(tmp_path, tmp_path / "log", api_url=external.url)
    assert f"serves {served}, and nothing says that one of them is m {'a' * 16}: start it with" in said


def test_one_checkpoint_under_the_names_of_several_artefacts_is_refused(tmp_path: Path) -> None:
    """vLLM serves one checkpoint under as many names as it is given, and says for each what is behind it."""
    names = [f"base-{'b' * 16}", release_name("m", DIGEST), "fc-policy"]

    def models(*roots: str) -> str:
        return json.dumps({"data": [{"id": name, "root": root} for name, root in zip(names, roots, strict=True)]})

    with ScriptedServer(answer, {"/v1/models": models("/x", "/x", "/x")}) as external:
        said = refusal(tmp_path, tmp_path / "log", api_url=external.url)
    assert f"calls one checkpoint, /x, by the names of several artefacts ({names[0]}, {names[1]})" in said
    with ScriptedServer(answer, {"/v1/models": models("/x", "/y", "/y")}) as external:
        assert connect_to_artifact(external.url, "m", DIGEST).model == names[1]


def test_an_external_server_with_several_models_needs_a_name() -> None:
    with ScriptedServer(answer, {"/v1/models": '{"data": [{"id": "a"}, {"id": "b"}]}'}) as external:
        assert connect(external.url, "b").model == "b"
        with pytest.raises(ServerError, match="serves a, b, but not 'c'"):
            connect(external.url, "c")


def test_an_external_server_that_does_not_answer() -> None:
    with pytest.raises(ServerError, match=r"No OpenAI-compatible server answers at http://127\.0\.0\.1:9 "):
        connect("http://127.0.0.1:9")
