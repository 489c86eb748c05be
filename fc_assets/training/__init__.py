"""The training room: base checkpoint, SFT adapter, merged model, GRPO policy.

The modules that end in `_job` run as processes of their own and know nothing of Dagster but its Pipes protocol;
`assets` starts them, `jobs` says what they are asked. `demo` makes the embedded model. Evaluation and serving do not
belong here.
"""
