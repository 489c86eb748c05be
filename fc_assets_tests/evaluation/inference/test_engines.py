"""transformers as the engine: the same questions, answers and records as from a server, and what it cannot do."""

import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from fc_assets.calls.prompts import render_prompt
from fc_assets.data.rows.normalise import normalise_row
from fc_assets.data.rows.sharegpt import sharegpt_row
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.generator import generate_rows
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import TOO_LONG, Answer, Question, RequestSettings, answer_log
from fc_assets.evaluation.assets import bfcl_key, predictions_key
from fc_assets.evaluation.bfcl.scores import find_python
from fc_assets.evaluation.inference.engines import LocalModel
from fc_assets.evaluation.inference.prompt_encoding import prompt_ids
from fc_assets.evaluation.jobs import GenerateJob, GenerateResult, RunJob
from fc_assets.foundation.child_processes.jobs import Job, JobFiles, Result, write_job
from fc_assets.foundation.resources import CHILD_ENVIRONMENT, latest_artifact
from fc_assets.names import REPORT, SHAREGPT_VAL, split_file
from fc_assets.profiles import EMBEDDED, BfclSettings, ServerSettings
from fc_assets_tests.support.evaluation_world import World, failures, gates, source

CPU = ServerSettings(device="cpu", dtype="float32", max_model_len=1024)
ASKING = RequestSettings(max_tokens=24, concurrency=1, timeout_s=1, retries=0, max_failed_share=0.0, seed=1)
needs_model = pytest.mark.skipif(
    not (EMBEDDED / "model.safetensors").is_file(), reason="the embedded model has not been built"
)


def examples(rows: int) -> list[Any]:
    reader = ToolReader()
    return [normalise_row(raw, reader) for raw in generate_rows(rows, seed=5)]


def questions(rows: int) -> list[Question]:
    """Generated questions of very different lengths."""
    return [
        Question(example.id, ({"role": "user", "content": example.query},), tuple(json.loads(example.tools)))
        for example in examples(rows)
    ]


@pytest.fixture(scope="module")
def generator() -> Iterator[Any]:
    import torch

    from fc_assets.evaluation.inference.generate_job import load

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for each other by spinning: slow where other tests run beside this one
    yield load(EMBEDDED, "cpu", "float32", 1024)
    torch.set_num_threads(threads)


def answer(generator: Any, asked: list[Question], folder: Path, batch: int, max_tokens: int = 24) -> list[Answer]:
    from fc_assets.evaluation.inference.generate_job import answer_all

    folder.mkdir(exist_ok=True)
    with answer_log(folder) as log:
        return answer_all(generator, asked, max_tokens, batch, log, logging.getLogger(__name__))


@needs_model
def test_an_answer_does_not_depend_on_its_batch(generator: Any, tmp_path: Path) -> None:
    asked = questions(14)
    together, alone = (answer(generator, asked, tmp_path / str(batch), batch) for batch in (5, 1))
    assert [replace(each, latency_s=0) for each in together] == [replace(each, latency_s=0) for each in alone]
    assert [each.id for each in together] == [question.id for question in asked]
    assert {each.finish_reason for each in together} == {"stop", "length"}
    assert all(each.completion_tokens == 24 for each in together if each.finish_reason == "length")
    text = " ".join(each.text for each in together)
    assert "<tool_call>" in text and "<|im_end|>" not in text and "<|endoftext|>" not in text


@needs_model
def test_a_question_with_its_own_prompt_is_fed_as_it_is(generator: Any, tmp_path: Path) -> None:
    (asked,) = questions(1)
    rendered = render_prompt(generator.tokenizer, asked.messages, asked.tools, thinking_off=True)
    first, second = answer(generator, [asked, Question("own", prompt=rendered)], tmp_path, 1)
    assert replace(first, id="own", latency_s=0) == replace(second, latency_s=0)
    assert "think" in rendered and first.prompt_tokens == len(generator.tokenizer(rendered).input_ids)


@needs_model
def test_a_prompt_without_room_is_too_long_and_a_tight_one_is_cut(generator: Any, tmp_path: Path) -> None:
    from fc_assets.evaluation.inference.generate_job import Generator

    asked = sorted(questions(8), key=lambda each: len(prompt_ids(generator.tokenizer, each)))
    longest = len(prompt_ids(generator.tokenizer, asked[-1]))
    tight = Generator(generator.model, generator.tokenizer, longest)
    found = answer(tight, asked, tmp_path, 8, max_tokens=1000)
    assert found[-1].finish_reason == TOO_LONG and not found[-1].text and f"{longest} tokens" in found[-1].error
    for each in found[:-1]:
        assert each.prompt_tokens + each.completion_tokens <= longest, "no answer runs over the model's length"
        assert each.finish_reason == "stop" or each.prompt_tokens + each.completion_tokens == longest


@needs_model
def test_what_is_answered_is_not_generated_again(generator: Any, tmp_path: Path) -> None:
    asked = questions(4)
    known = Answer(asked[2].id, "known already", "stop", 1.0, 3, 4)
    with answer_log(tmp_path) as log:
        log.add(known)
    assert answer(generator, asked, tmp_path, 2)[2] == known
    lines = (tmp_path / "answers.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == sorted(question.id for question in asked)


def local(run: RunJob, scratch: Path = Path(), **settings: Any) -> LocalModel:
    return LocalModel(EMBEDDED, CPU.model_copy(update=settings), 4, "digest", run, scratch)


def test_what_this_engine_cannot_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FcAssetsError, match=r"server\.api_url names a server"):
        local(pytest.fail, api_url="http://elsewhere")
    with pytest.raises(FcAssetsError, match="cannot force calls"):
        local(pytest.fail).ask(questions(1), replace(ASKING, decode="constrained"), tmp_path, print)
    assert local(pytest.fail).ask([], ASKING, tmp_path, print) == [], "no process starts for nothing"


def test_the_record_says_what_answered() -> None:
    info = local(pytest.fail).info
    wanted = {"engine": "transformers", "device": "cpu", "dtype": "float32", "model_digest": "digest"}
    assert wanted.items() <= info.items() and info["version"].split(".")[0].isdigit()
    smaller = LocalModel(EMBEDDED, CPU, 1, "digest", pytest.fail, Path())
    assert smaller.identity == local(pytest.fail).identity, "a smaller batch goes on with the same answers"
    assert local(pytest.fail, dtype="bfloat16").identity != smaller.identity


def start(files: JobFiles[Any]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(files.argv, env={**os.environ, **CHILD_ENVIRONMENT})


def run_job(job: Job[Result], scratch: Path) -> Result:
    """Do a job in a process of its own, as a step does."""
    files = write_job(job, scratch)
    with start(files) as process:
        assert process.wait(120) == 0
    return files.result()


@pytest.mark.slow
@needs_model
def test_the_ids_of_a_prompt_are_those_that_are_answered(generator: Any, tmp_path: Path) -> None:
    asked = questions(3)
    engine = local(run_job, tmp_path)
    found = engine.prompt_ids(asked)
    assert {row: list(ids) for row, ids in found.items()} == {
        question.id: prompt_ids(generator.tokenizer, question) for question in asked
    }
    assert asked[0].messages[0]["content"] in engine.text_of(found[asked[0].id])
    assert local(pytest.fail).prompt_ids([]) == {}, "no process starts for nothing"


@pytest.mark.slow
@needs_model
def test_a_killed_process_is_gone_on_from(tmp_path: Path) -> None:
    jobs: list[GenerateJob] = []

    def note(job: GenerateJob, scratch: Path) -> GenerateResult:
        jobs.append(job.model_copy(update={"batch_size": 1}))
        return GenerateResult(answers=())

    asked, log = questions(40), tmp_path / "answers.jsonl"
    long = replace(ASKING, max_tokens=200)
    local(note).ask(asked, long, tmp_path, print)
    files = write_job(jobs[0], tmp_path)
    with start(files) as process:
        deadline = time.monotonic() + 120
        while not (log.is_file() and log.read_bytes().count(b"\n") >= 3):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    before = [json.loads(line)["id"] for line in log.read_text().splitlines()]
    assert 3 <= len(before) < len(asked) and not files.result_file.exists()

    answers = local(run_job, tmp_path).ask(asked, long, tmp_path, print)
    assert [each.id for each in answers] == [each.id for each in asked]
    after = [json.loads(line)["id"] for line in log.read_text().splitlines()]
    assert after[: len(before)] == before and sorted(after) == sorted(each.id for each in asked)


def write_generated(rows: int) -> Callable[[Path], object]:
    lines = [sharegpt_row(example).decode() for example in examples(rows)]
    return lambda out: (out / split_file(SHAREGPT_VAL)).write_text(f"[{','.join(lines)}]")


@pytest.mark.slow
@pytest.mark.vllm
@needs_model
def test_both_engines_give_the_same_answers(tmp_path: Path) -> None:
    """The whole step with either engine: greedy answers in fp32 agree, and so do template parity and the gates."""
    find_python(BfclSettings())
    rows, found = 64, {}
    for engine in ("vllm", "transformers"):
        settings = {
            "evaluation": {"engine": engine, "constrained_rows": 3},
            "bfcl": {"rows_per_category": 2, "categories": ("simple_python", "irrelevance"),
                     "prompt_modes": ("chat_template", "official")},
        }  # fmt: skip
        world = World(tmp_path / engine, settings, checkpoint=EMBEDDED)
        world.split = source("sharegpt_val", write_generated(rows))
        world.materialise(["sharegpt_val"])
        result = world.materialise(["predictions/base", "bfcl_scores/base"])
        assert result.success, failures(result)
        assert gates(result) and all(gates(result).values())
        found[engine] = latest_artifact(world.instance, world.store, predictions_key("base"))
        scores = latest_artifact(world.instance, world.store, bfcl_key("base")).read_json(REPORT)
        assert scores["sampled"] == 4 and set(scores["modes"]) == {"chat_template", "official"}
        assert found[engine].read_json("parity.json")["equal"] == rows
        assert found[engine].read_json("server.json")["engine"] == engine
        assert not any((tmp_path / engine / "resume").rglob("*.jsonl"))
        said = [entry.user_message for entry in world.instance.all_logs(result.run_id)]
        assert any("only free decoding is measured" in line for line in said) is (engine == "transformers")
        assert any("64/64 rows answered" in line for line in said) is (engine == "transformers")
    served, local = (pq.read_table(each.path / "predictions.parquet").to_pylist() for each in found.values())
    kept = ("id", "text", "finish_reason", "prompt_tokens", "completion_tokens")
    different = [
        (one["text"], other["text"])
        for one, other in zip(served, local, strict=True)
        if any(one[name] != other[name] for name in kept)
    ]
    assert len(served) == rows and len(different) <= 1, different  # a near-tie of two logits may fall either way
    assert any("<tool_call>" in each["text"] and each["finish_reason"] == "stop" for each in local)
    record = found["transformers"].read_json("server.json")
    assert record["device"] == "cpu" and record["model_digest"] and record["constrained_decoding"].startswith("not")
    assert not (found["transformers"].path / "predictions_constrained.parquet").exists()
    assert (found["vllm"].path / "predictions_constrained.parquet").exists()
