"""Settings of what becomes of a promoted policy: its canary questions, its deployment, its copy on a hub."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fc_assets.profiles.sections import Positive, Section, Share


class DeploymentSettings(Section):
    """`promoted_policy`'s canary questions, and `vllm_deployment`: the Docker Compose stack and its sensor."""

    required: bool = Field(
        False, description="Fail where no engine can run (no Docker, no image), instead of skipping with the reason."
    )
    target: Literal["compose", "kubernetes"] = Field(
        "compose",
        description="Where a release serves: on this machine's Docker engine, or on a cluster (`kubernetes`).",
    )
    project: str = Field(
        "fc-assets", description="Name of the Compose project; on a cluster what all names begin with."
    )
    image: str = Field("vllm/vllm-openai:v0.30.0", description="Inference image; pin it by digest in production.")
    proxy_image: str = Field(
        "nginxinc/nginx-unprivileged:1.28-alpine", description="Image of the proxy, nginx without root."
    )
    monitoring: bool = Field(True, description="Prometheus and Grafana beside the engine.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(8080, description="Port on which the proxy listens.")
    bind: str = Field("127.0.0.1", description="Address on which the proxy listens, the only published port.")
    served_name: str = Field("fc-policy", description="Model name that clients ask for; the same for every release.")
    strategy: Literal["blue_green", "swap"] = Field(
        "swap", description="`blue_green` starts the new engine beside the old one: both must fit into memory."
    )
    memory_gib: Positive = Field(16, description="Memory limit of an engine's container.")
    cpus: Annotated[float, Field(gt=0)] = Field(4.0, description="CPU limit of an engine's container.")
    start_timeout_s: Positive = Field(600, description="Longest wait for a new engine to be ready, seconds.")
    drain_s: Positive = Field(60, description="How long an engine that was replaced may finish what it has begun.")
    canary_rows: Positive = Field(5, description="Validation rows, answered rightly when evaluated, asked again.")
    min_canary_share: Share = Field(0.8, description="Share of canary questions answered with schema-valid calls.")
    max_answer_s: Annotated[float, Field(gt=0)] = Field(10.0, description="Longest time for one canary answer.")
    max_attempts: Positive = Field(3, description="Attempts to deploy one release before the sensor rests.")
    retry_after_s: Positive = Field(60, description="Wait before a second attempt; doubles each time.")
    sensor_on: bool = Field(False, description="Whether the redeploy sensor runs from the start.")


class HubSettings(Section):
    """The copy of each `promoted_policy` on a Hugging Face hub. The token is `$HF_TOKEN`, never a setting."""

    repository: str = Field(
        "", pattern=r"^([\w.-]+/[\w.-]+)?$", description="OWNER/NAME of the model repository; empty: nothing is pushed."
    )
    private: bool = Field(True, description="Make the repository private, and refuse to push to a public one.")
