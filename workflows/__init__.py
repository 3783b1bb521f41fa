"""The durable shell: each incident is a workflow, and `run()` reads as the process.

Workflow code holds no rule (they are in `domain/`) and touches nothing outside (that is `activities/`).
"""
