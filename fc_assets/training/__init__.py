"""The training room: base checkpoint, SFT adapter, merged model, GRPO policy.

`sft`, `merge`, `grpo` and `base_model` run as processes of their own and know nothing of Dagster but its Pipes
protocol; `assets` starts them. Evaluation and serving do not belong here.
"""
