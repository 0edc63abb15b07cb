"""Studies: arms and trials, designs and plans, the workers that run them, and what is said of the results."""
