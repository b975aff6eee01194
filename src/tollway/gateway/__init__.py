"""The gateway: what happens to one request, in order. `chat.py` is its table of contents."""
