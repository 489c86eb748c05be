"""What a tool call is: how it is written, parsed, validated, executed on stubs, compared, scored and rewarded.

One implementation for training rewards, evaluation, canary questions and edge report. Text in, dataclasses out; nothing
here knows Dagster, a model, a file of the graph or a server. Nothing is exported here: import from the modules.
"""
