"""Who may do what: roles, tokens, and the signed word of who gave a command."""
