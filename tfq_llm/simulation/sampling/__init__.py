"""What is random in a simulation: shots, and gate noise as trajectories.

`randomness` and `occurrences` are groundwork; `measurement` samples final states, `errors` draws where noise strikes, `jumps`
handles noise whose probability depends on the state; `evaluators` put them together and `engine` adds the gradients.
"""
