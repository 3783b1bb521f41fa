"""How the outside reaches Tocsin: the API, the alert intake, the CLI, and everything in one process group."""
