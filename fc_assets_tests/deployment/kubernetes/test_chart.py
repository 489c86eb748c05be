"""The chart as a real Helm renders it: valid on three versions of Kubernetes, fenced in, and refusing wrong values."""

import subprocess
from typing import Any

import pytest

from fc_assets.deployment.engine import EngineSpec, engine_command
from fc_assets.deployment.kubernetes.helm import CHART, Manifest, parse, render
from fc_assets.deployment.kubernetes.values import Values, platform_values, serving_values
from fc_assets.errors import FcAssetsError
from fc_assets.profiles import DeploymentSettings, KubernetesSettings, ServerSettings, load_profile
from fc_assets_tests.support.helm import VERSIONS
from scripts.write_k8s import FOLDER, files

pytestmark = pytest.mark.usefixtures("helm")

SETTINGS = DeploymentSettings()
BLUE = EngineSpec("a" * 64, "blue", ServerSettings())
GREEN = EngineSpec("b" * 64, "green", load_profile("demo").server)
FROM_URL = "https://releases.example/promoted_policy"
INGRESS = {"route": {"kind": "ingress", "host": "fc.example", "tlsSecret": "fc-tls"}}


def serving(releases: str = FROM_URL, engines: tuple[EngineSpec, ...] = (BLUE,), **values: Any) -> Values:
    return serving_values(engines, "blue", SETTINGS, KubernetesSettings(releases=releases, values=values))


def rendered(values: Values) -> list[Manifest]:
    return parse(render("fc", "prod", values))


def only(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = [each for each in manifests if each["kind"] == kind]
    return found


VARIANTS = {
    "url, ingress, keda": serving(**INGRESS, autoscaling={"kind": "keda"}),
    "claim, gateway, hpa": serving(
        "claim://home/artifacts/promoted_policy",
        route={"kind": "gateway", "host": "fc.example", "gateway": {"name": "public"}},
        autoscaling={"kind": "hpa"},
    ),
    "two colours": serving(engines=(BLUE, GREEN)),
    "platform": platform_values(),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_object_is_valid_on_three_versions_of_kubernetes(variant: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    custom = {"ScaledObject", "HTTPRoute"}  # of KEDA and the Gateway API: not in Kubernetes' own schemas
    for manifest in rendered(VARIANTS[variant]):
        assert manifest["metadata"]["namespace"] == "prod"
        for version in VERSIONS:
            if manifest["kind"] not in custom:
                kubernetes_validate.validate(manifest, version, strict=True)


def test_an_object_with_a_misspelt_field_is_not_valid() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    manifest = only(rendered(serving()), "Deployment")
    manifest["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    for version in VERSIONS:
        with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
            kubernetes_validate.validate(manifest, version, strict=True)


def test_helm_finds_nothing_to_complain_about() -> None:
    checked = subprocess.run(["helm", "lint", "--strict", str(CHART)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_container_is_fenced_in() -> None:
    pod = only(rendered(serving()), "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    for container in (*pod["initContainers"], *pod["containers"]):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_vllm_is_started_as_in_the_compose_stack() -> None:
    (container,) = only(rendered(serving()), "Deployment")["spec"]["template"]["spec"]["containers"]
    command = engine_command(BLUE, SETTINGS)
    assert container["command"][1:] + container["args"] == command.argv
    variables = {each["name"]: each.get("value") for each in container["env"]}
    assert variables.pop("VLLM_API_KEY") is None  # from the Secret
    assert variables == command.environment


def test_an_engine_has_probes_and_a_rollout_that_takes_nothing_away() -> None:
    deployment = only(rendered(serving()), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= SETTINGS.start_timeout_s
    assert container["readinessProbe"]["httpGet"] == container["livenessProbe"]["httpGet"] == startup["httpGet"]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert deployment["spec"]["progressDeadlineSeconds"] > SETTINGS.start_timeout_s
    assert only(rendered(serving()), "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_only_an_engine_on_a_card_asks_for_one() -> None:
    def limits(engine: EngineSpec) -> dict[str, str]:
        pod = only(rendered(serving(engines=(engine,))), "Deployment")["spec"]["template"]["spec"]
        return pod["containers"][0]["resources"]["limits"]

    assert limits(BLUE)["nvidia.com/gpu"] == "1"
    assert "nvidia.com/gpu" not in limits(GREEN)


def test_the_service_selects_one_colour_and_has_a_port_for_metrics() -> None:
    manifests = rendered(serving(engines=(BLUE, GREEN)))
    service = only(manifests, "Service")["spec"]
    assert service["selector"]["fc-assets.io/colour"] == "blue"
    assert [port["name"] for port in service["ports"]] == ["http", "metrics"]
    nothing = serving_values([BLUE], None, SETTINGS, KubernetesSettings(releases=FROM_URL))
    assert only(rendered(nothing), "Service")["spec"]["selector"]["fc-assets.io/colour"] == "none"


@pytest.mark.parametrize("kind", ["Ingress", "HTTPRoute"])
def test_only_the_paths_that_clients_need_are_published(kind: str) -> None:
    if kind == "Ingress":
        (rule,) = only(rendered(VARIANTS["url, ingress, keda"]), kind)["spec"]["rules"]
        paths = [(each["pathType"], each["path"]) for each in rule["http"]["paths"]]
    else:
        (rule,) = only(rendered(VARIANTS["claim, gateway, hpa"]), kind)["spec"]["rules"]
        paths = [(each["path"]["type"], each["path"]["value"]) for each in rule["matches"]]
    expected = ["/v1/chat/completions", "/v1/completions", "/v1/models", "/health"]
    assert paths == [("Exact", path) for path in expected]


def test_both_autoscalers_count_waiting_requests_of_their_own_engine() -> None:
    scaled = only(rendered(VARIANTS["url, ingress, keda"]), "ScaledObject")["spec"]
    (trigger,) = scaled["triggers"]  # KEDA wants a list
    assert 'vllm:num_requests_waiting{model_name="fc-policy"' in trigger["metadata"]["query"]
    assert 'pod=~"fc-blue-.*"' in trigger["metadata"]["query"]
    hpa = only(rendered(VARIANTS["claim, gateway, hpa"]), "HorizontalPodAutoscaler")["spec"]
    assert hpa["metrics"][0]["pods"]["metric"]["name"] == "vllm_num_requests_waiting"
    for variant in ("url, ingress, keda", "claim, gateway, hpa"):
        manifests = rendered(VARIANTS[variant])
        assert "replicas" not in only(manifests, "Deployment")["spec"]  # two hands on one number would fight
    assert hpa["scaleTargetRef"]["name"] == scaled["scaleTargetRef"]["name"] == "fc-blue"


def test_a_release_from_a_volume_leaves_an_engine_nobody_to_talk_to() -> None:
    by_claim, by_url = VARIANTS["claim, gateway, hpa"], VARIANTS["url, ingress, keda"]
    assert only(rendered(by_claim), "NetworkPolicy")["spec"]["egress"] == []
    ports = [
        port["port"] for rule in only(rendered(by_url), "NetworkPolicy")["spec"]["egress"] for port in rule["ports"]
    ]
    assert ports == [53, 53, 443]


def test_the_halves_are_installed_apart() -> None:
    assert {each["kind"] for each in rendered(platform_values())} == {"PersistentVolumeClaim", "NetworkPolicy"}
    assert "PersistentVolumeClaim" not in {each["kind"] for each in rendered(serving())}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"replicas": 0}, "replicas"),
        ({"replica": 2}, "replica"),
        ({"route": {"kind": "loadbalancer"}}, "kind"),
        ({"route": {"kind": "ingress"}}, "serving.route.host"),
        ({"route": {"kind": "gateway", "host": "fc.example"}}, "serving.route.gateway.name"),
        ({"release": {"claim": ""}}, "serving.release.url or serving.release.claim"),
    ],
)
def test_wrong_values_are_refused_by_name(values: dict[str, Any], named: str) -> None:
    with pytest.raises(FcAssetsError, match=named):
        rendered(serving("claim://home", **values))


def test_the_profile_cannot_say_which_release_serves() -> None:
    with pytest.raises(FcAssetsError, match=r"kubernetes\.values must not set active, engines"):
        serving_values([BLUE], "blue", SETTINGS, KubernetesSettings(values={"active": "green", "engines": {}}))


def test_the_plain_manifests_in_the_repository_are_those_of_the_chart() -> None:
    for name, text in files().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, "run `python -m scripts.write_k8s`"
