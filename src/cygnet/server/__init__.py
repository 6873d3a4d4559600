"""One model over HTTP: OpenAI's interface, and a page to talk to it."""
