"""Everything that people read: one folder per message, and the renderer that fills them in."""
