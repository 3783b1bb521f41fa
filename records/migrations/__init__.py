"""How the records' tables came to be, one file per change, run by `records.database.migrate`."""
