"""Answers to pages that come from outside: by link, by text message, by key press, by chat button."""
