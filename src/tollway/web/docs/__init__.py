"""`/docs`: the project's own documentation, its search and its Markdown, and the reference of the API."""
