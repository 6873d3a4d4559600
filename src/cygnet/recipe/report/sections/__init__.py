"""The chapters of the report: each turns a run's data into one section, and says so when its stage has not run."""
