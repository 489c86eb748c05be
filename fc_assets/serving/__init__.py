"""The serving room: starting a vLLM server, and speaking to one.

`vllm_command` says how vLLM is started, here and in a container; `server` starts it for as long as a block needs it.
`endpoint` is a running server's address, `chat` the one request body, `vllm_metrics` what its metrics say. Load tests
are in `load_test`, questions for their answers in `evaluation`, the stack that serves users in `deployment`.
"""
