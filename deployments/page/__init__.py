"""The web page: its static files, their routes, and the Markdown that the service renders for it."""
