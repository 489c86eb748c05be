"""What goes beside the GGUF files so that people can run them: Ollama's Modelfile, and a README.

The Modelfile's TEMPLATE is Qwen3's tool prompt in Ollama's template language (Go's text/template), with thinking off as
the policy was trained. llama.cpp needs none of this: it uses the chat template inside the files.
"""

from __future__ import annotations

from collections.abc import Sequence

from fc_assets.edge.conversion.files import SOURCE_DIGEST_KEY, GgufFile

_PREFERRED = ("Q4_K_M", "Q8_0", "F16")  # smallest first: an edge device wants that one

TEMPLATE = """\
{{- if or .System .Tools }}<|im_start|>system
{{ if .System }}{{ .System }}{{ if .Tools }}

{{ end }}{{ end }}{{ if .Tools }}# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{{- range .Tools }}
{"type": "function", "function": {{ .Function }}}
{{- end }}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>{{ end }}<|im_end|>
{{ end }}
{{- range .Messages }}
{{- if eq .Role "user" }}<|im_start|>user
{{ .Content }}<|im_end|>
{{ else if eq .Role "assistant" }}<|im_start|>assistant
{{ .Content }}
{{- $content := .Content }}
{{- range $i, $_ := .ToolCalls }}
{{- if or $i $content }}
{{ end }}<tool_call>
{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}
</tool_call>
{{- end }}<|im_end|>
{{ else if eq .Role "tool" }}<|im_start|>user
<tool_response>
{{ .Content }}
</tool_response><|im_end|>
{{ end }}
{{- end }}<|im_start|>assistant
<think>

</think>

"""


def modelfile(files: Sequence[GgufFile], context: int) -> str:
    """The Modelfile for the smallest of `files`, answering greedily within `context` tokens."""
    return (
        "# ollama create fc-policy -f Modelfile && ollama run fc-policy\n"
        f"FROM ./{_smallest(files).file}\n"
        f'TEMPLATE """{TEMPLATE}"""\n'
        'PARAMETER stop "<|im_end|>"\n'
        'PARAMETER stop "<|endoftext|>"\n'
        "PARAMETER temperature 0\n"
        f"PARAMETER num_ctx {context}\n"
    )


def readme(files: Sequence[GgufFile], *, name: str, source_digest: str, context: int) -> str:
    """How to run the files with llama.cpp and with Ollama, in Markdown."""
    rows = "\n".join(
        f"| `{file.file}` | {file.bytes / 1e6:.1f} MB | {file.bits_per_weight:.2f} | "
        f"{', '.join(f'{count} x {kind}' for kind, count in file.types.items())} | `{file.sha256}` |"
        for file in files
    )
    smallest = _smallest(files).file
    return f"""# {name}: GGUF files

| file | size | bits per weight | tensors | sha256 |
| --- | --- | --- | --- | --- |
{rows}

Made from the release with digest `{source_digest}`, which each file repeats in its metadata (`{SOURCE_DIGEST_KEY}`).

## llama.cpp

    llama-server -m {smallest} -c {context} --temp 0 --jinja --chat-template-kwargs '{{"enable_thinking": false}}'

Then ask `/v1/chat/completions` with `tools`, as with any OpenAI-compatible server. `--jinja` uses the chat template
inside the file, the one that the policy was trained with; thinking is off, as in training.

## Ollama

    ollama create fc-policy -f Modelfile
    ollama run fc-policy

Then ask `/api/chat` with `tools`. Ollama writes the tools as compact JSON, without the spaces that the policy saw in
training, and orders a schema's keys its own way: expect somewhat lower quality than with llama.cpp.

## Limits

llama.cpp does not bring text into Unicode's composed form (NFC) as the original tokenizer does: send composed text.
"""


def _smallest(files: Sequence[GgufFile]) -> GgufFile:
    by_kind = {file.kind: file for file in files}
    return next(by_kind[kind] for kind in _PREFERRED if kind in by_kind)
