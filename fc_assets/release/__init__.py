"""From an evaluated policy to a release: promotion by gates, the release's files, its copy on a model hub.

Serving a release belongs to `deployment`.
"""
