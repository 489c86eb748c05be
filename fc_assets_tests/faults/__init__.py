"""Faults on purpose that fit no single room: a process killed, a server that lies, a text that forges.

`docs/reliability.md` lists what is promised and which test shows it; a fault of one room is tested in that room.
"""
