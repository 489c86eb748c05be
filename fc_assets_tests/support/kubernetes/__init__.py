"""A stand-in for a cluster: an API server that enforces its rules, and controllers that fetch and answer for real."""
