"""From a run that ended to the people who should hear of it: failed gates and runs, releases promoted and deployed.

Nothing waits for a message, and no run ends differently because of one.
"""
