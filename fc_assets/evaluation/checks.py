"""The evaluation's gates as asset checks: which artefact each reads. All block but those of an arm, which warn.

One check operation serves several gates, since starting a process costs more than reading a file. What a gate asks is
in `gates`, its bar is a setting of the profile.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
from pydantic import TypeAdapter

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation import gates
from fc_assets.evaluation.assets import bfcl_key, predictions_key, promoted_release
from fc_assets.evaluation.bfcl.model import BfclReport
from fc_assets.evaluation.champion import ChampionComparison
from fc_assets.evaluation.episodes.gate import keeps_episodes, succeeds_in_episodes
from fc_assets.evaluation.episodes.model import EpisodeReport
from fc_assets.evaluation.gates import Verdict
from fc_assets.evaluation.inference.parity import Parity
from fc_assets.evaluation.inference.predictions import AnswerSummary
from fc_assets.evaluation.report.comparison import own_tools_stratum
from fc_assets.evaluation.scoring import HELD_OUT_TEMPLATES, HELD_OUT_TOOLS
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.json_files import finite
from fc_assets.foundation.resources import Runtime, StepError
from fc_assets.foundation.thresholds import Bar, Kind
from fc_assets.names import (
    BASE,
    CHAMPION_RECORD,
    EPISODE_PLAYS,
    EVAL_REPORT,
    PARITY,
    REPORT,
    RESULTS,
    SFT,
    TRAINED_FROM,
    VARIANT_LABELS,
)
from fc_assets.profiles import OwnToolsThresholds, Profile, Thresholds, blocks_release, variant_models

_REPORT_KEY = dg.AssetKey(EVAL_REPORT)
_PARITY, _SUMMARY = TypeAdapter(Parity), TypeAdapter(AnswerSummary)

NON_INFERIORITY = Bar[float]("gates.non_inferiority_margin", Kind.AT_MOST)
"""Of the policy against SFT, and against the promoted policy."""


_OWN_TOOLS_BARS = {HELD_OUT_TEMPLATES: "held_out_templates", HELD_OUT_TOOLS: "held_out_tools"}
"""Of each kind of held-out rows the field of `gates.own_tools`."""


@dataclass(frozen=True)
class EvaluationGate:
    """One check: what it is called, what it asks, and how it judges the artefact. Unless it blocks, it warns.

    `judge` is given the value of the gate's bar, or None where it has none; no other setting is in its reach.
    """

    asset: dg.AssetKey
    name: str
    description: str
    judge: Callable[[Artifact, Any], Verdict]
    bar: Bar[Any] | None = None
    blocking: bool = True

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """Its definition, which names its bar."""
        return dg.AssetCheckSpec(
            self.name,
            asset=self.asset,
            description=self.description,
            blocking=self.blocking,
            metadata=self.bar.definition if self.bar else None,
        )

    def result(self, artifact: Artifact, profile: Profile) -> dg.AssetCheckResult:
        """Judge the artefact by the bar as `profile` has it."""
        limit = self.bar.value(profile) if self.bar else None
        record = self.bar.record(limit) if self.bar else {}
        found = _result(self.judge(artifact, limit), record, asset_key=self.asset, check_name=self.name)
        return found if self.blocking else found._replace(severity=dg.AssetCheckSeverity.WARN)


def variant_gates(variant: str) -> list[EvaluationGate]:
    """The gates on one variant's predictions and BFCL scores."""
    predictions, scores = predictions_key(variant), bfcl_key(variant)
    found = [
        EvaluationGate(
            predictions,
            "rows_were_answered",
            "No more rows than evaluation.max_failed_share stayed without an answer from the server.",
            lambda artifact, share: gates.was_answered(_SUMMARY.validate_python(artifact.read_json(REPORT)), share),
            Bar[float]("evaluation.max_failed_share", Kind.AT_MOST),
        ),
        EvaluationGate(
            predictions,
            "template_parity",
            "The server built the very token ids that training saw for the same conversation and tools.",
            lambda artifact, _: gates.has_parity(_PARITY.validate_python(artifact.read_json(PARITY))),
        ),
        EvaluationGate(
            scores,
            "categories_were_judged",
            "The official checker judged every sampled row of every BFCL category.",
            lambda artifact, categories: gates.covers_bfcl(_bfcl_report(artifact), categories),
            Bar[tuple[str, ...]]("bfcl.categories", Kind.ALL_OF),
        ),
    ]
    if variant in TRAINED_FROM:
        found += [
            EvaluationGate(
                scores,
                "answers_parse",
                "Of the BFCL questions that expect a call, enough were answered with one that parses.",
                lambda artifact, least: gates.parses_bfcl(_bfcl_report(artifact), least),
                Bar[float]("gates.min_bfcl_parse_rate", Kind.AT_LEAST),
            ),
            EvaluationGate(
                scores,
                "calls_are_right",
                "Of the BFCL rows that expect a call, the official checker finds enough right.",
                lambda artifact, least: gates.is_right_on_bfcl(_bfcl_report(artifact), least),
                Bar[float]("gates.min_bfcl_call_accuracy", Kind.AT_LEAST),
            ),
        ]
    return _as_gates_of(variant, found)


def report_gates(variants: Sequence[str]) -> list[EvaluationGate]:
    """The gates on the comparison: thresholds for the tuned variants, and that no training made things worse."""
    tuned = [variant for variant in variants if variant in TRAINED_FROM]
    return [
        *_of_each(tuned, lambda variant: [_threshold(variant, metric) for metric in Thresholds.model_fields]),
        *_of_each(tuned, lambda variant: [_silence(variant)]),
        *_of_each(
            tuned, lambda variant: [_better(variant)] if variant == SFT else [_not_worse(variant), _gain(variant)]
        ),
        _BASE_CAN_BE_BEATEN,
    ]


def _of_each(variants: Sequence[str], gates_of: Callable[[str], list[EvaluationGate]]) -> Iterator[EvaluationGate]:
    for variant in variants:
        yield from _as_gates_of(variant, gates_of(variant))


def _as_gates_of(variant: str, found: Sequence[EvaluationGate]) -> list[EvaluationGate]:
    """The gates as those of this variant: an arm's stop nothing."""
    return [replace(gate, blocking=blocks_release(variant)) for gate in found]


def _better(variant: str) -> EvaluationGate:
    source = TRAINED_FROM[variant]
    return EvaluationGate(
        _REPORT_KEY,
        f"{variant}_is_better_than_{source}",
        f"{VARIANT_LABELS[variant]} has significantly more exact matches than {source} (exact McNemar, "
        "Holm-corrected).",
        lambda artifact, significance: gates.is_better(_results(artifact), source, variant, significance),
        Bar[float]("gates.significance", Kind.AT_MOST),
    )


def _not_worse(variant: str) -> EvaluationGate:
    source = TRAINED_FROM[variant]
    return EvaluationGate(
        _REPORT_KEY,
        f"{variant}_is_not_worse_than_{source}",
        f"{VARIANT_LABELS[variant]} loses no more exact match against {VARIANT_LABELS[source]} than "
        "gates.non_inferiority_margin.",
        lambda artifact, margin: gates.is_not_worse(_results(artifact), source, variant, margin),
        NON_INFERIORITY,
    )


def _gain(variant: str) -> EvaluationGate:
    source = TRAINED_FROM[variant]
    return EvaluationGate(
        _REPORT_KEY,
        f"{variant}_gains_over_{source}",
        f"The 95 % interval of what {VARIANT_LABELS[variant]} gains in exact match over {VARIANT_LABELS[source]} lies "
        "above gates.min_gain_over_sft.",
        lambda artifact, least: gates.gains(_results(artifact), source, variant, least),
        Bar[float]("gates.min_gain_over_sft", Kind.AT_LEAST),
    )


def _threshold(variant: str, metric: str) -> EvaluationGate:
    return EvaluationGate(
        _REPORT_KEY,
        f"{variant}_{metric}",
        f"{metric} of {variant} is at least gates.{variant}.{metric}.",
        lambda artifact, least: gates.reaches_threshold(_results(artifact), variant, metric, least),
        Bar[float](f"gates.{variant}.{metric}", Kind.AT_LEAST),
    )


def _silence(variant: str) -> EvaluationGate:
    return EvaluationGate(
        _REPORT_KEY,
        f"{variant}_keeps_silence",
        f"On rows that expect no call {variant} is not worse than base by more than gates.irrelevance_margin.",
        lambda artifact, margin: gates.keeps_silence(_results(artifact), variant, BASE, margin),
        Bar[float]("gates.irrelevance_margin", Kind.AT_MOST),
    )


_BASE_CAN_BE_BEATEN = EvaluationGate(
    _REPORT_KEY,
    "base_can_be_beaten",
    "Enough of the base model's answers parse leniently that being better than it means something.",
    lambda artifact, least: gates.can_be_beaten(_results(artifact), BASE, least),
    Bar[float]("gates.min_base_parse_rate", Kind.AT_LEAST),
)


def episode_gates(variants: Sequence[str], blocking: bool) -> list[EvaluationGate]:
    """The gates on episodes: a tuned variant succeeds in enough of them, and in hardly fewer than base."""
    tuned = [variant for variant in variants if variant in TRAINED_FROM]
    found = [gate for variant in tuned for gate in _as_gates_of(variant, _on_episodes(variant))]
    return found if blocking else [replace(gate, blocking=False) for gate in found]


def _on_episodes(variant: str) -> list[EvaluationGate]:
    return [
        EvaluationGate(
            _REPORT_KEY,
            f"{variant}_keeps_episodes",
            f"Of the episodes {variant} succeeds in no fewer than base by more than gates.episodes_margin.",
            lambda artifact, margin: keeps_episodes(_episode_report(artifact), variant, BASE, margin),
            Bar[float]("gates.episodes_margin", Kind.AT_MOST),
        ),
        EvaluationGate(
            _REPORT_KEY,
            f"{variant}_succeeds_in_episodes",
            f"{variant} succeeds in at least gates.min_episode_success of the episodes.",
            lambda artifact, least: succeeds_in_episodes(_episode_report(artifact), variant, least),
            Bar[float]("gates.min_episode_success", Kind.AT_LEAST),
        ),
    ]


def _episode_report(artifact: Artifact) -> EpisodeReport | None:
    """The comparison of episodes; None where none were played."""
    if not (artifact.path / EPISODE_PLAYS).is_file():
        return None
    return EpisodeReport.model_validate(artifact.read_json(EPISODE_PLAYS))


def _results(artifact: Artifact) -> gates.Results:
    return artifact.read_json(RESULTS)


def _bfcl_report(artifact: Artifact) -> BfclReport:
    return BfclReport.model_validate(artifact.read_json(REPORT))


def own_tools_gates(variants: Sequence[str], kinds: Sequence[str]) -> list[EvaluationGate]:
    """The gates on a user's own tools: names and whole calls are right on each of these kinds of held-out rows."""
    tuned = [variant for variant in variants if variant in TRAINED_FROM]
    return [
        gate
        for variant in tuned
        for kind in kinds
        for metric in OwnToolsThresholds.model_fields
        for gate in _as_gates_of(variant, [_own_tools(variant, kind, metric)])
    ]


def _own_tools(variant: str, kind: str, metric: str) -> EvaluationGate:
    field, stratum = _OWN_TOOLS_BARS[kind], own_tools_stratum(kind)
    return EvaluationGate(
        _REPORT_KEY,
        f"{variant}_{metric}_{field}",
        f"{metric} of {variant} on {stratum} is at least gates.own_tools.{field}.{metric}.",
        lambda artifact, least: gates.reaches_threshold_on(_results(artifact), stratum, variant, metric, least),
        Bar[float](f"gates.own_tools.{field}.{metric}", Kind.AT_LEAST),
    )


def build_checks(name: str, judged: Sequence[EvaluationGate]) -> dg.AssetChecksDefinition:
    """One operation that judges these gates, or those of them that a run selects."""
    by_key = {dg.AssetCheckKey(gate.asset, gate.name): gate for gate in judged}

    @dg.multi_asset_check(
        name=name,
        specs=[gate.spec for gate in judged],
        can_subset=True,
    )
    def check(
        context: dg.AssetCheckExecutionContext, runtime: dg.ResourceParam[Runtime]
    ) -> Iterator[dg.AssetCheckResult]:
        chosen = [gate for key, gate in by_key.items() if key in context.selected_asset_check_keys]
        # Read here and not as inputs: a run may select gates of one asset while the other does not exist yet.
        artifacts = {}
        try:
            for asset in {gate.asset for gate in chosen}:
                artifacts[asset] = runtime.latest(context.instance, asset)
        except FcAssetsError as error:
            raise StepError(str(error), error) from None
        for gate in chosen:
            yield gate.result(artifacts[gate.asset], runtime.profile)

    return check


@dg.asset_check(
    asset=_REPORT_KEY,
    blocking=True,
    metadata=NON_INFERIORITY.definition,
    description=(
        "The policy loses no more exact match against the one that is promoted now (the champion) than "
        "gates.non_inferiority_margin; without a promoted policy there is nothing to lose to."
    ),
)
def grpo_is_not_worse_than_champion(
    context: dg.AssetCheckExecutionContext, runtime: dg.ResourceParam[Runtime], eval_report: Artifact
) -> dg.AssetCheckResult:
    release = promoted_release(context.instance)
    found = ChampionComparison.model_validate(eval_report.read_json(CHAMPION_RECORD))
    margin = NON_INFERIORITY.value(runtime.profile)
    verdict = gates.is_not_worse_than_champion(found, release.policy if release else "", margin)
    return _result(verdict, NON_INFERIORITY.record(margin))


def _result(
    verdict: Verdict,
    bar: Mapping[str, float | str],
    asset_key: dg.AssetKey | None = None,
    check_name: str | None = None,
) -> dg.AssetCheckResult:
    numbers: Mapping[str, Any] = {name: finite(value) for name, value in verdict.numbers.items()}
    return dg.AssetCheckResult(
        passed=verdict.passed,
        description=verdict.sentence,
        metadata={**numbers, **bar},
        asset_key=asset_key,
        check_name=check_name,
    )


def _wanted_episode_gates(profile: Profile) -> list[EvaluationGate]:
    if not profile.evaluation.episodes:
        return []
    return episode_gates([*variant_models(profile)], profile.gates.episodes_block)


def _wanted_own_tools_gates(profile: Profile) -> list[EvaluationGate]:
    if not profile.data.has_own_tools:
        return []
    kinds = [HELD_OUT_TEMPLATES, *([HELD_OUT_TOOLS] if profile.data.own_tools.held_out_tools else [])]
    return own_tools_gates([*variant_models(profile)], kinds)


def checks(profile: Profile) -> list[dg.AssetChecksDefinition]:
    """The gates on every variant that the profile's graph has, and on their comparison."""
    variants = variant_models(profile)
    return [
        *(build_checks(f"gates_of_{variant}", variant_gates(variant)) for variant in variants),
        build_checks(
            f"gates_of_{EVAL_REPORT}",
            [*report_gates([*variants]), *_wanted_episode_gates(profile), *_wanted_own_tools_gates(profile)],
        ),
        grpo_is_not_worse_than_champion,
    ]
