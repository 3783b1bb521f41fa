"""What the process does outside: one file per step. How a channel is spoken to is `channels/`.

An activity is one attempt. It gets everything it needs handed in; it reads no environment.
"""
