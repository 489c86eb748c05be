"""The tools that a model is offered: the forms they come in, their schemas, their stubs, all of them compiled, and run.

Nothing is exported here: import from the modules.
"""
