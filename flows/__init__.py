"""One file per flow: the story of a run, and nothing else."""
