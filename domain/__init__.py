"""The rules of a major incident: data, and functions of data and a given time.

Nothing here knows Temporal, the clock, files, the network or randomness; `tests/test_architecture.py`
enforces it. What must be done outside follows from the facts (`reactions.py`) and is carried out by
`workflows/` and `activities/`.
"""
