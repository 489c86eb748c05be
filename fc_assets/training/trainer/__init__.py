"""What every trainer shares: checkpoints, arguments, the loop. Only jobs import it, because it imports torch."""
