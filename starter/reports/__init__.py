"""The report form: what a customer or colleague sends, and what becomes of it."""
