"""Whether a profile fits a machine, computed before anything starts. No model library and no room is imported here."""
