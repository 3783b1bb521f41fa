"""The HTTP API, the intake's routes and the pages for people."""
