"""Where a release can run. Deciding which one runs, and probing it, belong to the room above."""
