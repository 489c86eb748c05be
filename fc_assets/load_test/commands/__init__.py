"""The load test on the command line, against any OpenAI-compatible server: one module for each command.

What is measured, compared and drawn is decided elsewhere in the room; here arguments are read and results printed.
"""
