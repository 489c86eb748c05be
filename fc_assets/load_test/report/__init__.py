"""A load test's run as one HTML page that needs nothing beside it. What its figures mean is `findings`."""
