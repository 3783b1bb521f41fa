"""The door for people and programs: tokens, who comes in with one, and the signature under what they ask."""
