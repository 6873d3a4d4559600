"""The compute planner: from a budget and hardware to a model, its training and what it takes, by stated laws."""
