"""Processes of their own: started, watched and ended with their run; the typed jobs that they do."""
