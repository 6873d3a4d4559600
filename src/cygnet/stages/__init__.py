"""What each stage of the recipe feeds the loop: its data, its batches and its loss."""
