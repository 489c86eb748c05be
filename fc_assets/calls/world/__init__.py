"""A small world in memory in which the embedded generator's tools do what they say: no clock, no chance, no files.

Training data and evaluation play conversations in it. Nothing is exported here: import from the modules.
"""
