"""Which settings made an asset: the sections that its step reads, so that a record can say what it was made with.

A changed setting of one of these sections makes the asset stale; a setting of another section does not. Sections that
only judge (`gates`), or that say where a copy goes (`hub`), make nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from fc_assets import names
from fc_assets.profiles.loading import Profile

Settings = Mapping[str, Mapping[str, Any]]
"""Sections of a profile by name, as JSON data."""

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")
_ASKING = ("server", "evaluation")
_VARIANTS = (*names.VARIANT_MODELS, *names.ARM_MODELS)
SECTIONS: Mapping[str, tuple[str, ...]] = {
    names.XLAM_RAW: ("data",),
    # The tokenizer counts the tokens of its rows. `bfcl.python` says where a list of questions lies, not what is in it.
    names.SHAREGPT_TRAIN: ("data", "base_model"),
    names.SHAREGPT_VAL: ("data", "base_model"),
    names.BASE_MODEL: ("base_model",),
    names.LORA_ADAPTER: ("sft",),
    names.MERGED_MODEL: ("sft",),
    names.GRPO_POLICY: ("grpo",),
    names.DPO_POLICY: ("dpo", "grpo"),  # the rewards' weights
    **{names.predictions(variant): _ASKING for variant in _VARIANTS},
    **{names.bfcl_scores(variant): (*_ASKING, "bfcl") for variant in _VARIANTS},
    names.EVAL_REPORT: ("evaluation", "grpo"),  # the rewards' weights
    names.PROMOTED_POLICY: ("server", "deployment"),  # the memory that serving takes; the canary questions
    names.BENCHMARK_MATRIX: ("server", "benchmark"),
    names.SERVING_RECOMMENDATION: ("server", "benchmark"),
    names.GGUF_ARTIFACTS: ("edge",),
    names.EDGE_REPORT: ("edge",),
    names.K8S_BUNDLE: ("server", "deployment", "kubernetes"),
    names.VLLM_DEPLOYMENT: (
        *_ASKING,
        "deployment",
        "kubernetes",
    ),  # canary answers have as many tokens as those of the evaluation
}
"""The sections that make each asset, those of the arms that a profile may add included."""

ORIGIN = ("data", "base_model")
"""Sections that everything downstream inherits: artefacts of another data set or base model are never mixed."""


def settings_of(profile: Profile, asset: str) -> dict[str, Any]:
    """The sections of `profile` that make `asset`; none for an asset that is not of this graph."""
    return recorded_sections(profile, SECTIONS.get(asset, ()))


def recorded_sections(profile: Profile, sections: Iterable[str]) -> dict[str, Any]:
    """These sections as they are recorded: JSON data, without the user names and passwords in addresses."""
    return {name: without_credentials(getattr(profile, name).model_dump(mode="json")) for name in sections}


def without_credentials(value: Any) -> Any:
    """`value` with what stands before the @ of each address in it removed."""
    if isinstance(value, dict):
        return {name: without_credentials(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_credentials(inner) for inner in value]
    return _CREDENTIALS.sub("", value) if isinstance(value, str) else value


def settings_digest(settings: Settings) -> str:
    """A sha256 in hex over the settings as canonical JSON: sorted keys, no white space."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def differences(recorded: Settings, wanted: Settings) -> list[str]:
    """Where sections that both hold differ, one `section.field: recorded, not wanted` each."""
    found: list[str] = []
    for section in recorded.keys() & wanted.keys():
        found += _differing(section, recorded[section], wanted[section])
    return sorted(found)


def _differing(path: str, recorded: Any, wanted: Any) -> list[str]:
    if isinstance(recorded, Mapping) and isinstance(wanted, Mapping):
        keys = dict.fromkeys([*recorded, *wanted])
        return [line for key in keys for line in _differing(f"{path}.{key}", recorded.get(key), wanted.get(key))]
    return [] if recorded == wanted else [f"{path} is {recorded!r}, not {wanted!r}"]
