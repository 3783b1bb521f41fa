"""What is kept outside Temporal: the database of records, policy files, calendars."""
