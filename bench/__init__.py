"""Speed as ratios: `python -m bench` measures Tocsin against the engine's own floor, in one run.

Absolute times say more about the machine than about the program. So every row is a ratio to something
bare that was measured in the same run, on the same server, in turns; and where the bare thing itself
did not hold still, there is no verdict.
"""
