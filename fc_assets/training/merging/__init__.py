"""Adapters merged into their base, and the proof that the merged model is the adapted one."""
