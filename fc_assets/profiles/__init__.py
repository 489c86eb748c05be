"""Profiles: every setting of every stage, typed, read from `profiles/*.yaml`.

The defaults written here are the full recipe for Qwen3-0.6B; a YAML file names only what its machine needs
otherwise. Unknown keys are refused. A field's meaning, unit and default are documented at the field, in the module of
its section, and nowhere else; the code that acts on a field is in its stage's room.
"""

from fc_assets.profiles.benchmark import BenchmarkSettings, ServiceLevel
from fc_assets.profiles.cluster import KubernetesSettings
from fc_assets.profiles.data import (
    CurationSettings,
    DataSettings,
    EpisodeSettings,
    HermesSettings,
    OwnToolsSettings,
    ParaphraseSettings,
)
from fc_assets.profiles.edge import EdgeSettings
from fc_assets.profiles.evaluation import BfclSettings, EvaluationSettings, GateSettings, OwnToolsThresholds, Thresholds
from fc_assets.profiles.loading import (
    DEFAULT_PROFILE,
    PROFILE_VARIABLE,
    PROFILES,
    Profile,
    load_profile,
    parse_profile,
    profile_names,
)
from fc_assets.profiles.provenance import (
    ORIGIN,
    SECTIONS,
    Settings,
    differences,
    recorded_sections,
    settings_digest,
    settings_of,
    without_credentials,
)
from fc_assets.profiles.release import DeploymentSettings, HubSettings
from fc_assets.profiles.sections import Section
from fc_assets.profiles.serving import ServerSettings
from fc_assets.profiles.training import (
    EMBEDDED,
    BaseModelSettings,
    DpoSettings,
    GrpoSettings,
    LoraSettings,
    MergeSettings,
    RewardWeights,
    SftSettings,
    TrackerSettings,
)
from fc_assets.profiles.variants import blocks_release, variant_models

__all__ = [
    "DEFAULT_PROFILE",
    "EMBEDDED",
    "ORIGIN",
    "PROFILES",
    "PROFILE_VARIABLE",
    "SECTIONS",
    "BaseModelSettings",
    "BenchmarkSettings",
    "BfclSettings",
    "CurationSettings",
    "DataSettings",
    "DeploymentSettings",
    "DpoSettings",
    "EdgeSettings",
    "EpisodeSettings",
    "EvaluationSettings",
    "GateSettings",
    "GrpoSettings",
    "HermesSettings",
    "HubSettings",
    "KubernetesSettings",
    "LoraSettings",
    "MergeSettings",
    "OwnToolsSettings",
    "OwnToolsThresholds",
    "ParaphraseSettings",
    "Profile",
    "RewardWeights",
    "Section",
    "ServerSettings",
    "ServiceLevel",
    "Settings",
    "SftSettings",
    "Thresholds",
    "TrackerSettings",
    "blocks_release",
    "differences",
    "load_profile",
    "parse_profile",
    "profile_names",
    "recorded_sections",
    "settings_digest",
    "settings_of",
    "variant_models",
    "without_credentials",
]
