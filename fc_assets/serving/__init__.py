"""The serving room: the vLLM server, the load generator and what is concluded from its numbers.

`server` starts vLLM for every stage that needs one. `load`, `client`, `sse` and `null_server` are the load generator;
`statistics`, `reconcile` and `resources` turn its records into figures; `matrix`, `plots` and `recommendation` run and
judge the matrix. Asking the model questions for their answers is evaluation's, deploying it is release's.
"""
