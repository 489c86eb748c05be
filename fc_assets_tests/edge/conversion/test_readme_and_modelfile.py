"""The Modelfile takes the smallest file and renders Qwen3's tool prompt; the README names every file."""

from __future__ import annotations

import re
from pathlib import Path

from fc_assets.edge.conversion.readme_and_modelfile import modelfile, readme
from fc_assets.edge.gguf_files import GgufFile, GgufType


def _file(kind: GgufType, size: int) -> GgufFile:
    return GgufFile(kind, f"policy-{kind}.gguf", size, kind * 8, 5.27, {"F32": 9, kind: 15}, [])


FILES = [_file("F16", 3_500_000), _file("Q8_0", 1_900_000), _file("Q4_K_M", 1_200_000)]
TEMPLATE = modelfile(FILES, 1024).split('"""')[1]


def test_modelfile_runs_the_smallest_file_greedily() -> None:
    lines = modelfile(FILES, 1024).splitlines()
    assert "FROM ./policy-Q4_K_M.gguf" in lines
    assert "PARAMETER num_ctx 1024" in lines
    assert 'PARAMETER stop "<|im_end|>"' in lines
    assert "FROM ./policy-Q8_0.gguf" in modelfile(FILES[:2], 1024)


def test_a_client_that_asks_for_nothing_else_gets_plain_greedy_answers_with_thinking_off() -> None:
    parameters = set(re.findall(r"^PARAMETER (.+)$", modelfile(FILES, 1024), re.MULTILINE))
    assert {"temperature 0", "top_k 0", "top_p 1", "min_p 0", "repeat_penalty 1"} <= parameters
    (command,) = re.findall(r"llama-server .*\\\n.*", readme(FILES, name="m", source_digest="", context=1024))
    assert "--temp 0 --top-k 0 --top-p 1 --min-p 0 --repeat-penalty 1" in command
    assert """--chat-template-kwargs '{"enable_thinking": false}'""" in command


def test_template_has_the_fixed_parts_of_the_chat_template(tokenizer_folder: Path) -> None:
    jinja = (tokenizer_folder / "chat_template.jinja").read_text(encoding="utf-8")
    literal = (
        "".join(re.findall(r'\{\{-? ["\'](.*?)["\'] ', jinja, flags=re.S)).replace("\\n", "\n").replace('\\"', '"')
    )
    for part in (
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        "You are provided with function signatures within <tools></tools> XML tags:\n<tools>",
        "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
        '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n'
        "</tool_call>",
    ):
        assert part in literal
        assert part in TEMPLATE
    assert TEMPLATE.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_template_opens_and_closes_every_block() -> None:
    actions = re.findall(r"\{\{-? *(\w+)", TEMPLATE)
    opened = sum(action in ("if", "range", "with", "define") for action in actions)
    assert opened == actions.count("end") > 0


def test_readme_says_what_each_file_is() -> None:
    text = readme(FILES, name="fc-policy", source_digest="abc123", context=1024)
    assert all(file.file in text and file.sha256 in text for file in FILES)
    assert "9 x F32, 15 x Q8_0" in text
    assert "abc123" in text
    assert "-m policy-Q4_K_M.gguf -c 1024" in text
