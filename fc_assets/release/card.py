"""The model card of a release: README.md in the form that the Hugging Face hub reads. Text only, no decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from fc_assets.release.lineage_facts import Licence, Measure, Tables
from fc_assets.release.model_info import ModelInfo

VARIANTS = {"base": "A: base", "sft": "B: SFT", "grpo": "C: SFT + GRPO"}
SHIPPED = "grpo"
_HUB_LICENCES = {"MIT": "mit", "Apache-2.0": "apache-2.0"}


def model_card(record: Mapping[str, object], info: ModelInfo, tables: Tables, licences: Sequence[Licence]) -> str:
    """Render the card from the release's record, the model's description, the report's tables and the licences."""
    measures = tables.measures
    parts = [
        _front_matter(record, measures, licences),
        _opening(record, info),
        _results(measures),
        *(_table(title, rows) for title, rows in tables.further.items()),
        _gates(record),
        _use(info),
        _limits(record, measures),
        _licences(licences),
        _provenance(record),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(record: Mapping[str, object], measures: Sequence[Measure], licences: Sequence[Licence]) -> str:
    base = record["base"]
    weights = next((each.licence for each in licences if each.rows == 0), "")
    results = [
        {"type": measure.metric, "name": measure.metric, "value": round(measure.value, 4)}
        for measure in measures
        if measure.variant == SHIPPED
    ]
    metadata = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": _HUB_LICENCES.get(weights, "other"),
        "base_model": base["name"],
        "datasets": [each.what for each in licences if each.rows],
        "tags": ["function-calling", "tool-use", "trl", "sft", "grpo", "lora"],
        "model-index": [
            {
                "name": f"function caller from {base['name']}",
                "results": [
                    {
                        "task": {"type": "text-generation", "name": "function calling"},
                        "dataset": {"type": "sharegpt_val", "name": "held-out validation split"},
                        "metrics": results,
                    }
                ],
            }
        ],
    }
    return f"---\n{yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)}---"


def _opening(record: Mapping[str, object], info: ModelInfo) -> str:
    override = record["override"]
    lines = [
        f"# Function caller from {record['base']['name']}",
        "",
        f"A {info.architecture} with {info.parameters:,} parameters that answers a query and a list of tools with tool "
        "calls, or with words where no tool fits. Fine-tuned with a LoRA adapter on tool calls (SFT), then by "
        "group-relative policy optimisation (GRPO) against four rewards: does it parse, does it name the right "
        "functions, does it bind to their signatures, are the arguments right.",
    ]
    if override:
        lines += [
            "",
            f"**Promoted by hand although gates were unmet** ({', '.join(override['unmet'])}). "
            f"Reason given: {override['reason']}",
        ]
    return "\n".join(lines)


def _results(measures: Sequence[Measure]) -> str:
    if not measures:
        return ""
    cells = {(measure.metric, measure.variant): measure for measure in measures}
    variants = [variant for variant in VARIANTS if any(measure.variant == variant for measure in measures)]
    lines = [
        "## Results",
        "",
        "On the held-out validation split, greedy decoding, served by vLLM; 95 % intervals in brackets.",
        "",
        "| metric | " + " | ".join(VARIANTS[variant] for variant in variants) + " |",
        "| --- |" + " --- |" * len(variants),
    ]
    for metric in dict.fromkeys(measure.metric for measure in measures):
        row = " | ".join(_cell(cells.get((metric, variant))) for variant in variants)
        lines.append(f"| {metric} | {row} |")
    return "\n".join(lines)


def _table(title: str, rows: Sequence[Mapping[str, object]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [f"### {title}", "", f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    lines += [f"| {' | '.join(_text(row.get(name)) for name in columns)} |" for row in rows]
    return "\n".join(lines) if rows else ""


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value).replace("|", "\\|")


def _cell(measure: Measure | None) -> str:
    if measure is None:
        return ""
    if measure.low is None or measure.high is None:
        return f"{measure.value:.3f}"
    return f"{measure.value:.3f} [{measure.low:.3f}, {measure.high:.3f}]"


def _gates(record: Mapping[str, object]) -> str:
    lines = ["## Gates", "", "| gate | judged | result |", "| --- | --- | --- |"]
    for gate in record["gates"]:
        result = "passed" if gate["met"] else f"unmet: {gate['unmet_because']}"
        lines.append(f"| {gate['asset']}:{gate['check']} | `{gate['judged_digest'][:16]}` | {result} |")
    return "\n".join(lines)


def _use(info: ModelInfo) -> str:
    return f"""## Use

```bash
python -m vllm.entrypoints.openai.api_server --model ./model --dtype {info.serving_dtype} \\
  --max-model-len {info.max_model_len} --enable-auto-tool-choice --tool-call-parser hermes
```

In the copy of a release on a model hub the checkpoint is the repository itself: name that instead of `./model`.

Ask with `chat_template_kwargs: {{"enable_thinking": false}}`: the model was trained without thinking. Pass
`strict: true` in each function to have the server hold the arguments to their schema. `tools.json` holds tool
definitions in OpenAI's and in MCP's form. Serving takes about {info.weights_mib:,.0f} MiB for the weights and
{info.kv_cache_bytes_per_token:,} bytes of cache for each token in flight."""


def _limits(record: Mapping[str, object], measures: Sequence[Measure]) -> str:
    rows = max((measure.rows for measure in measures), default=0)
    lines = [
        "## Limits",
        "",
        f"- Measured on {rows:,} rows drawn from the same source as the training data: expect less on other tools.",
        "- Single-turn calls. Conversations over several turns with tool results were not trained or measured.",
        "- The model's output is data. Validate every call against its schema before acting on it.",
        "- English queries only.",
    ]
    if record["profile"]["name"] == "demo":
        lines.append(
            "- Made with the demo profile: a tiny model on generated data, for showing the pipeline, not for use."
        )
    return "\n".join(lines)


def _licences(licences: Sequence[Licence]) -> str:
    lines = ["## Licences", "", "| source | licence | rows |", "| --- | --- | --- |"]
    lines += [f"| {each.what} | {each.licence} | {each.rows or ''} |" for each in licences]
    return "\n".join(lines)


def _provenance(record: Mapping[str, object]) -> str:
    lines = [
        "## Provenance",
        "",
        f"Policy `{record['policy']['digest']}`, profile `{record['profile']['name']}`, code "
        f"{record['code']['version']} at commit `{record['code']['git_commit']}`. `release.json` holds the digest of "
        "everything in the lineage, all settings and all library versions; `SHA256SUMS` covers every file.",
        "",
        "| asset | digest |",
        "| --- | --- |",
    ]
    lines += [f"| {name} | `{node['digest'][:16]}` |" for name, node in record["lineage"].items()]
    return "\n".join(lines)
