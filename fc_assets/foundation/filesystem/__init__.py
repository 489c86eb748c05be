"""What the file system may refuse or share between processes: locks, and its refusals in words for people."""
