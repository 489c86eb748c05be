"""The tools that a model is offered: the forms they come in, their schemas, their stubs, and all of them compiled.

Nothing is exported here: import from the modules.
"""
