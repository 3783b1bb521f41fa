"""The door: who sends, what it is worth, and that nothing accepted is lost. Formats are `starter/intake/`."""
