"""Keeping an installation well: what prevents which step on this machine, and what a home holds that nobody needs."""
