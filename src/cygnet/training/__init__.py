"""One optimization loop for every stage: optimizers, schedule, checkpoints and metrics."""
