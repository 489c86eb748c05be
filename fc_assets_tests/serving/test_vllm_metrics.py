"""vLLM's metrics as text: what is summed, what is left out, and when a server counts as busy."""

import pytest

from fc_assets.serving.vllm_metrics import is_busy, parse_metrics

TEXT = """
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 2.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 5.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.001",model_name="m"} 4.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 1.25e-01
process_cpu_seconds_total 29.5
"""


def test_metrics_are_summed_over_labels_without_buckets_and_strangers() -> None:
    assert parse_metrics(TEXT) == {
        "vllm:num_requests_running": 3.0,
        "vllm:request_success_total": 7.0,
        "vllm:time_to_first_token_seconds_sum": 0.125,
    }


def test_only_the_names_that_are_asked_for_are_read() -> None:
    assert parse_metrics(TEXT, ("vllm:request_success",)) == {"vllm:request_success_total": 7.0}


def test_a_label_may_hold_braces_and_escaped_quotes() -> None:
    text = r"""vllm:num_requests_running{model_name="a}\"b"} 1.0"""
    assert parse_metrics(text) == {"vllm:num_requests_running": 1.0}


def test_a_line_of_vllms_that_is_no_sample_is_an_error() -> None:
    with pytest.raises(ValueError):
        parse_metrics("vllm:num_requests_running{engine=0 three")


@pytest.mark.parametrize(("running", "waiting", "busy"), [(0.0, 0.0, False), (1.0, 0.0, True), (0.0, 2.0, True)])
def test_a_server_is_busy_while_requests_run_or_wait(running: float, waiting: float, busy: bool) -> None:
    text = f"""
vllm:num_requests_running{{engine="0"}} {running}
vllm:num_requests_waiting{{engine="0"}} {waiting}
vllm:request_success_total{{engine="0"}} 9.0
"""
    assert is_busy(text) is busy


def test_a_server_without_these_metrics_is_not_busy() -> None:
    assert not is_busy("python_info 1.0\n")
