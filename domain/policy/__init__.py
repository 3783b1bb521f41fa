"""The organisation's process, as data. Start at `model.py`; what an incident pins is `slice.py`."""
