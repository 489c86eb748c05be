"""The data room: from any source of tool calls to a raw table, and from it to two ShareGPT splits.

- `rows`: what an example is; one raw row read as one, its tools and types, and the forms in which it is written.
- `sources`: where rows come from: local files, the hub, Hermes conversations, the embedded generator, your own tools.
- `curation`: which examples become conversations, and what is made of them.
- `raw_table` writes `xlam_raw`; `split_building` and `splits` write the splits; `token_lengths_job` counts tokens.
- `data_quality` measures what the gates in `checks` judge; `split_report`, `page_tables` and `plots` describe.

What a call is belongs to `fc_assets.calls`; rendering rows for a model belongs to training and evaluation.
"""
