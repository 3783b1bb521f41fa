"""The postmortem: its document, its commands, and how it goes on by itself."""
