"""Documents to train on: where they come from, what is held out, and in what proportions they are mixed."""

import os

# Arrow reads this when it is first imported. Its own allocator, mimalloc, keeps what it has had: 35 MiB a process more.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
