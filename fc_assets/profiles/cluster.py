"""Settings of the serving stack on a Kubernetes cluster. The stack on one machine is `release`'s."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from fc_assets.profiles.sections import Section


class KubernetesSettings(Section):
    """`k8s_bundle`, and `vllm_deployment` where `deployment.target` is `kubernetes`."""

    context: str = Field("", description="Context of the kubeconfig; empty: the current one, in a pod its own account.")
    namespace: str = Field(
        "fc-assets", pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="Namespace; it must exist."
    )
    releases: str = Field(
        "claim://fc-assets-home/artifacts/promoted_policy",
        pattern=r"^(https?://\S+|claim://[a-z0-9.-]+(/\S*)?)$",
        description="Where engines find releases, laid out as a home's `artifacts/promoted_policy`: an http(s) URL, or "
        "claim://CLAIM/FOLDER in a PersistentVolumeClaim.",
    )
    values: dict[str, Any] = Field(
        {},
        description="Helm values of the chart's `serving` half that win over the rendered ones: route, autoscaling ...",
    )
