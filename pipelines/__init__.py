"""One short driver per command: each turns a configuration into calls of the library, readable from top to bottom."""
