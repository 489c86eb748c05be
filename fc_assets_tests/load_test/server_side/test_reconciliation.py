"""Two witnesses: what vLLM's metrics say of a load, and when that counts as agreement."""

import pytest

from fc_assets.load_test.load.client import Reply
from fc_assets.load_test.load.generator import Sample
from fc_assets.load_test.server_side.reconciliation import Reconciliation, reconcile, server_figures


def samples() -> list[Sample]:
    """Two requests: TTFT 0.2 and 0.4, end to end 1.0 and 1.2; 11 and 13 prompt tokens, 5 output tokens each."""
    return [
        Sample(0, "measured", 0.0, Reply(0.0, 1.0, [0.2, 0.6, 1.0], 11, 5)),
        Sample(1, "filler", 1.0, Reply(1.0, 2.2, [1.4, 2.2], 13, 5)),
        Sample(2, "measured", 2.0, Reply(2.0, 2.1, failure="http_500")),
    ]


def after(**changes: float) -> dict[str, float]:
    metrics = {
        "request_success_total": 102.0,
        "prompt_tokens_total": 1024.0,
        "generation_tokens_total": 510.0,
        "time_to_first_token_seconds_sum": 10.56,
        "time_to_first_token_seconds_count": 102.0,
        "e2e_request_latency_seconds_sum": 52.16,
        "e2e_request_latency_seconds_count": 102.0,
    }
    return {f"vllm:{name}": value for name, value in {**metrics, **changes}.items()}


BEFORE = {
    "vllm:request_success_total": 100.0,
    "vllm:prompt_tokens_total": 1000.0,
    "vllm:generation_tokens_total": 500.0,
    "vllm:time_to_first_token_seconds_sum": 10.0,
    "vllm:time_to_first_token_seconds_count": 100.0,
    "vllm:e2e_request_latency_seconds_sum": 50.0,
    "vllm:e2e_request_latency_seconds_count": 100.0,
}


def test_the_same_load_seen_twice_agrees() -> None:
    found = {each.quantity: each for each in reconcile(samples(), BEFORE, after())}
    assert all(each.agrees for each in found.values())
    assert found["prompt tokens"].client == found["prompt tokens"].server == 24
    first = found["mean time to first token, s"]
    assert (first.client, first.server) == (pytest.approx(0.3), pytest.approx(0.28))


@pytest.mark.parametrize(
    ("changes", "quantity"),
    [
        ({"generation_tokens_total": 511.0}, "output tokens"),
        ({"request_success_total": 103.0}, "requests that succeeded"),
        ({"time_to_first_token_seconds_sum": 11.0}, "mean time to first token, s"),
        ({"e2e_request_latency_seconds_sum": 51.0}, "mean time from first token to end, s"),
    ],
)
def test_a_difference_is_found_where_it_is(changes: dict[str, float], quantity: str) -> None:
    apart = [each.quantity for each in reconcile(samples(), BEFORE, after(**changes)) if not each.agrees]
    assert quantity in apart


def test_only_the_client_may_have_waited_longer() -> None:
    assert Reconciliation("t", client=0.9, server=0.3, bound=0.06, may_wait_before=True).agrees
    assert not Reconciliation("t", client=0.2, server=0.3, bound=0.06, may_wait_before=True).agrees
    assert not Reconciliation("t", client=0.9, server=0.3, bound=0.06).agrees
    assert not Reconciliation("t", client=float("nan"), server=0.3, bound=0.06).agrees


def test_behind_a_tool_call_parser_the_time_since_the_first_token_is_not_compared() -> None:
    late_first_event = after(time_to_first_token_seconds_sum=10.1)
    apart = {each.quantity for each in reconcile(samples(), BEFORE, late_first_event) if not each.agrees}
    assert apart == {"mean time from first token to end, s"}
    assert all(each.agrees for each in reconcile(samples(), BEFORE, late_first_event, held_back=True))


def test_a_server_without_metrics_is_not_compared() -> None:
    assert reconcile(samples(), {}, {}) == []
    assert server_figures([], {}, {})["preemptions"] is None


def test_gauges_are_summarised() -> None:
    gauges = [
        {"vllm:num_requests_running": 2.0, "vllm:num_requests_waiting": 0.0, "vllm:kv_cache_usage_perc": 0.1},
        {"vllm:num_requests_running": 4.0, "vllm:num_requests_waiting": 6.0, "vllm:kv_cache_usage_perc": 0.3},
    ]
    found = server_figures(gauges, {"vllm:num_preemptions_total": 1.0}, {"vllm:num_preemptions_total": 3.0})
    assert (found["running_mean"], found["running_max"], found["waiting_max"]) == (3.0, 4.0, 6.0)
    assert (found["kv_cache_max"], found["preemptions"], found["prefix_cache_hit_rate"]) == (0.3, 2.0, None)
