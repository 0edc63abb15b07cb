"""Charts of studies: each takes a width in inches and numbers, and returns a figure."""
