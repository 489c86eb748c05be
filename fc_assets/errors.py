"""The errors that a person is meant to read; beside `names` the only module that every other one may import.

An `FcAssetsError` carries one sentence that says what is wrong, where, and what to do about it. Anything else that
escapes is a defect of this project. Nothing but exception classes belongs here.
"""


class FcAssetsError(RuntimeError):
    """Something a user can put right; the message says how."""
