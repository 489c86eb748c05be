"""From a release to one that users reach: the serving stack, its proxy, the probes, and the sensor that redeploys.

Whether a policy may be released is decided in `release`.
"""
