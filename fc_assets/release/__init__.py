"""From an evaluated policy to one that users reach: promotion by gates, the release's files, the serving stack.

Knows every other room; no other room knows this one.
"""
