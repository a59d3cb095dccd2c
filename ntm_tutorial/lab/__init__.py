"""The laboratory: many runs, their results, the paper's numbers, failures on purpose, commands."""
