"""HTTP entry points: the server, the URL table, and one file per inference URL."""
