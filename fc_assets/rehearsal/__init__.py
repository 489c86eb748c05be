"""A profile tried out on this machine before anybody waits for it: a few steps of every stage, longest rows first."""
