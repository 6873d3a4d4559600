"""Recipes: what a run is made of, how it is read, and the runner that carries it out."""
