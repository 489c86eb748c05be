"""The highest load that still meets a service-level objective: the search, and the probes it asks for.

What a probe sends and measures is `load` and `matrix`; what becomes of the result is `findings`.
"""
