"""Things a model can do besides writing: calculate, run Python, read a page. A tool is a typed function."""
