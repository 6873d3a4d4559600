"""One HTML page that needs nothing else: markup, charts, style."""
