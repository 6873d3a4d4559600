"""Documents to train on: where they come from, what is held out, and in what proportions they are mixed."""
