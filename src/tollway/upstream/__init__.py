"""The HTTP side towards providers: one client, with its own pool, built for speed and for every fault of the table."""
