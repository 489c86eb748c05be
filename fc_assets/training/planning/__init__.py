"""Whether a profile fits a machine, computed before anything starts. No model library is imported here."""
