"""The room of MCP servers as a client sees them: connected within bounds, their tools listed, their tools called.

A server is somebody else's program: whatever it sends is bounded in size, count and time, and it never outlives us.
What its tools are used for belongs to the data room and to the gateway.
"""
