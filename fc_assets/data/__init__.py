"""The data room: from any source of tool calls to a raw table, and from it to two ShareGPT splits.

`sources` names where rows come from (`files`, `hub`, `hermes`, `generator`); `normalise`, `tools` and `types` read one
row; `raw` writes the table and its quarantine. `curation` chooses rows by `gold`, `similarity`, `bfcl_questions` and
`irrelevance`; `splits` writes them as `sharegpt` rows, some by `masking`. `inspection` measures what the gates judge.
What a call is belongs to `fc_assets.calls`; rendering rows for a model belongs to training and evaluation.
"""
