"""What each stage of the recipe feeds the loop: its batches and its loss, and nothing else."""
