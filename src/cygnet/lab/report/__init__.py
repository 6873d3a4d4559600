"""The report of a lab: one page for people."""
