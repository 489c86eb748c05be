"""The evaluation's gates as asset checks: which artefact each reads. All of them block.

One check operation serves several gates, since starting a process costs more than reading a file. What a gate asks is
in `gates`, its thresholds are in the profile.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import TypeAdapter

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation import gates
from fc_assets.evaluation.assets import bfcl_key, eval_report, predictions_key, promoted_release
from fc_assets.evaluation.bfcl.model import BfclReport
from fc_assets.evaluation.champion import ChampionComparison
from fc_assets.evaluation.gates import Verdict
from fc_assets.evaluation.inference.parity import Parity
from fc_assets.evaluation.inference.predictions import AnswerSummary
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.json_files import finite
from fc_assets.foundation.resources import Runtime, StepError, latest_artifact
from fc_assets.names import (
    BASE,
    CHAMPION_RECORD,
    GRPO,
    PARITY,
    REPORT,
    RESULTS,
    SFT,
    TUNED_VARIANTS,
    VARIANT_MODELS,
)
from fc_assets.profiles import Profile, Thresholds

_PARITY, _SUMMARY = TypeAdapter(Parity), TypeAdapter(AnswerSummary)


@dataclass(frozen=True)
class EvaluationGate:
    """One blocking check: what it is called, what it asks, and how it judges the artefact."""

    asset: dg.AssetKey
    name: str
    description: str
    judge: Callable[[Artifact, Profile], Verdict]


def variant_gates(variant: str) -> list[EvaluationGate]:
    """The gates on one variant's predictions and BFCL scores."""
    predictions, scores = predictions_key(variant), bfcl_key(variant)
    found = [
        EvaluationGate(
            predictions,
            "rows_were_answered",
            "No more rows than evaluation.max_failed_share stayed without an answer from the server.",
            lambda artifact, profile: gates.was_answered(
                _SUMMARY.validate_python(artifact.read_json(REPORT)), profile.evaluation.max_failed_share
            ),
        ),
        EvaluationGate(
            predictions,
            "template_parity",
            "The server built the very token ids that training saw for the same conversation and tools.",
            lambda artifact, profile: gates.has_parity(_PARITY.validate_python(artifact.read_json(PARITY))),
        ),
        EvaluationGate(
            scores,
            "categories_were_judged",
            "The official checker judged every sampled row of every BFCL category.",
            lambda artifact, profile: gates.covers_bfcl(_bfcl_report(artifact), profile.bfcl.categories),
        ),
    ]
    if variant in TUNED_VARIANTS:
        found.append(
            EvaluationGate(
                scores,
                "answers_parse",
                "Of the BFCL questions that expect a call, enough were answered with one that parses.",
                lambda artifact, profile: gates.parses_bfcl(_bfcl_report(artifact), profile.gates),
            )
        )
    return found


def report_gates() -> list[EvaluationGate]:
    """The gates on the comparison: thresholds for SFT and SFT+GRPO, and that neither step made things worse."""
    found = [_threshold(variant, metric) for variant in TUNED_VARIANTS for metric in Thresholds.model_fields]
    found += [_silence(variant) for variant in TUNED_VARIANTS]
    return [
        *found,
        EvaluationGate(
            eval_report.key,
            "sft_is_better_than_base",
            "SFT has significantly more exact matches than base (exact McNemar, Holm-corrected).",
            lambda artifact, profile: gates.is_better(_results(artifact), BASE, SFT, profile.gates.significance),
        ),
        EvaluationGate(
            eval_report.key,
            "grpo_is_not_worse_than_sft",
            "SFT+GRPO loses no more exact match against SFT than gates.non_inferiority_margin.",
            lambda artifact, profile: gates.is_not_worse(
                _results(artifact), SFT, GRPO, profile.gates.non_inferiority_margin
            ),
        ),
    ]


def _threshold(variant: str, metric: str) -> EvaluationGate:
    return EvaluationGate(
        eval_report.key,
        f"{variant}_{metric}",
        f"{metric} of {variant} is at least gates.{variant}.{metric}.",
        lambda artifact, profile: gates.reaches_threshold(
            _results(artifact), variant, metric, getattr(profile.gates, variant)
        ),
    )


def _silence(variant: str) -> EvaluationGate:
    return EvaluationGate(
        eval_report.key,
        f"{variant}_keeps_silence",
        f"On rows that expect no call {variant} is not worse than base by more than gates.irrelevance_margin.",
        lambda artifact, profile: gates.keeps_silence(
            _results(artifact), variant, BASE, profile.gates.irrelevance_margin
        ),
    )


def _results(artifact: Artifact) -> gates.Results:
    return artifact.read_json(RESULTS)


def _bfcl_report(artifact: Artifact) -> BfclReport:
    return BfclReport.model_validate(artifact.read_json(REPORT))


def build_checks(name: str, judged: Sequence[EvaluationGate]) -> dg.AssetChecksDefinition:
    """One operation that judges these gates, or those of them that a run selects."""
    by_key = {dg.AssetCheckKey(gate.asset, gate.name): gate for gate in judged}

    @dg.multi_asset_check(
        name=name,
        specs=[
            dg.AssetCheckSpec(gate.name, asset=gate.asset, description=gate.description, blocking=True)
            for gate in judged
        ],
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
                artifacts[asset] = latest_artifact(context.instance, runtime.store, asset)
        except FcAssetsError as error:
            raise StepError(str(error)) from error
        for gate in chosen:
            verdict = gate.judge(artifacts[gate.asset], runtime.profile)
            yield _result(verdict, asset_key=gate.asset, check_name=gate.name)

    return check


@dg.asset_check(
    asset=eval_report,
    blocking=True,
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
    margin = runtime.profile.gates.non_inferiority_margin
    return _result(gates.is_not_worse_than_champion(found, release.policy if release else "", margin))


def _result(
    verdict: Verdict, asset_key: dg.AssetKey | None = None, check_name: str | None = None
) -> dg.AssetCheckResult:
    numbers: Mapping[str, Any] = {name: finite(value) for name, value in verdict.numbers.items()}
    return dg.AssetCheckResult(
        passed=verdict.passed,
        description=verdict.sentence,
        metadata=numbers,
        asset_key=asset_key,
        check_name=check_name,
    )


CHECKS = [
    *(build_checks(f"gates_of_{variant}", variant_gates(variant)) for variant in VARIANT_MODELS),
    build_checks(f"gates_of_{eval_report.key.to_user_string()}", report_gates()),
    grpo_is_not_worse_than_champion,
]
