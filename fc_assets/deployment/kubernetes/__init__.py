"""The serving stack on Kubernetes as files: the Helm chart, its values, and what the init container runs.

Talking to a cluster belongs to `targets.cluster`.
"""
