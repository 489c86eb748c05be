"""The policy on small machines: GGUF files for llama.cpp and Ollama, and what quantisation costs."""
