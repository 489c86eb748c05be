"""Which outcome of a run is worth which message."""

import pytest

from fc_assets.notifications.messages import (
    MAX_LISTED,
    MAX_SENTENCE,
    FailedGate,
    FailedStep,
    ReleaseDeployed,
    ReleasePromoted,
    RunOutcome,
    messages_of,
)

DIGEST = "0123456789abcdef" * 4


def outcome(**changes: object) -> RunOutcome:
    return RunOutcome(**{"job": "everything", "run_id": "run-1", "status": "succeeded", **changes})


def gates(*names: str) -> list[FailedGate]:
    return [FailedGate("eval_report", name, f"{name} is too low") for name in names]


def test_a_run_that_went_well_and_released_nothing_is_worth_no_message() -> None:
    assert messages_of(outcome()) == []


def test_failed_gates_are_one_message_with_every_sentence() -> None:
    (message,) = messages_of(outcome(status="failed", failed_gates=gates("exact_match", "parse_rate")))
    assert message.kind == "gate failed"
    assert message.title == "fc_assets: gate failed: eval_report:exact_match and 1 more"
    assert message.text.splitlines() == [
        "eval_report:exact_match: exact_match is too low",
        "eval_report:parse_rate: parse_rate is too low",
        "Job everything, run run-1.",
    ]


def test_a_gate_that_was_reported_before_is_worth_no_message_and_explains_the_failed_run() -> None:
    reported = FailedGate("vllm_deployment", "answers", "The stack does not answer", reported=True)
    assert messages_of(outcome(status="failed", failed_gates=[reported])) == []
    (message,) = messages_of(outcome(status="failed", failed_gates=[reported, *gates("exact_match")]))
    assert message.title == "fc_assets: gate failed: eval_report:exact_match"


def test_a_failed_run_names_the_step_and_its_sentence() -> None:
    step = FailedStep("lora_adapter", "lora_adapter: the disk is full")
    (message,) = messages_of(outcome(status="failed", failed_steps=[step]))
    assert message.kind == "run failed"
    assert message.title == "fc_assets: run failed: lora_adapter"
    assert message.text == "lora_adapter: lora_adapter: the disk is full\nJob everything, run run-1."


def test_a_password_in_an_address_stays_here() -> None:
    """A sentence may quote a setting, and a chat has other readers than the page."""
    step = FailedStep("predictions__grpo", "http://somebody:hunter2@127.0.0.1:8000 does not answer")
    (message,) = messages_of(outcome(status="failed", failed_steps=[step]))
    assert "predictions__grpo: http://127.0.0.1:8000 does not answer" in message.text


def test_a_run_that_failed_without_a_step_says_what_dagster_says() -> None:
    (message,) = messages_of(outcome(status="failed", job="", said="The run's process is gone"))
    assert message.title == "fc_assets: run failed: run-1"
    assert message.text == "The run's process is gone\nRun run-1."


@pytest.mark.parametrize(
    ("overridden", "said"),
    [
        (0, "Every gate on its lineage passed."),
        (1, "By hand, although 1 gate was unmet; its record says why."),
        (2, "By hand, although 2 gates were unmet; its record says why."),
    ],
)
def test_a_promotion_says_whether_gates_were_overridden(overridden: int, said: str) -> None:
    (message,) = messages_of(outcome(promoted=[ReleasePromoted(DIGEST, overridden)]))
    assert message.title == "fc_assets: promoted: release 0123456789abcdef"
    assert said in message.text


def test_a_deployment_says_where_it_answers() -> None:
    (message,) = messages_of(outcome(deployed=[ReleaseDeployed(DIGEST, "http://127.0.0.1:8000")]))
    assert message.title == "fc_assets: deployed: release 0123456789abcdef"
    assert "http://127.0.0.1:8000" in message.text


def test_a_deployment_that_failed_says_what_answers_now() -> None:
    step = FailedStep("vllm_deployment", "Release 0123 does not serve. Release 4567 answers", rolled_back=True)
    (message,) = messages_of(outcome(status="failed", failed_steps=[step]))
    assert message.kind == "rolled back"
    assert "Release 4567 answers" in message.text


def test_a_promotion_whose_copy_failed_is_reported_as_both() -> None:
    step = FailedStep("promoted_policy", "its copy on the hub does not stand")
    found = messages_of(outcome(status="failed", failed_steps=[step], promoted=[ReleasePromoted(DIGEST, 0)]))
    assert [message.kind for message in found] == ["promoted", "run failed"]


def test_of_a_cancelled_run_only_failed_gates_are_reported() -> None:
    step = FailedStep("lora_adapter", "it was interrupted")
    assert messages_of(outcome(status="cancelled", failed_steps=[step])) == []
    found = messages_of(outcome(status="cancelled", failed_steps=[step], failed_gates=gates("exact_match")))
    assert [message.kind for message in found] == ["gate failed"]


def test_a_message_stays_short_and_keeps_the_end_of_a_sentence() -> None:
    long = FailedStep(
        "vllm_deployment", "It began. " + "log " * MAX_SENTENCE + "Release 4567 answers", rolled_back=True
    )
    (message,) = messages_of(outcome(status="failed", failed_steps=[long]))
    said, _ = message.text.splitlines()
    assert len(said) == MAX_SENTENCE
    assert said.startswith("It began. ")
    assert said.endswith("Release 4567 answers")
    many = gates(*(f"gate-{number}" for number in range(MAX_LISTED + 2)))
    (message,) = messages_of(outcome(status="failed", failed_gates=many))
    assert message.text.splitlines()[MAX_LISTED] == "and 2 more"
