"""The room of the MCP gateway, `fc-assets mcp`: the policy behind MCP.

As a client it is given servers and a question: it asks the policy, calls the servers' tools and answers. As a server it
offers one tool, `call_tool`, which says what the policy would call. Connecting to servers is `tool_servers`.
"""
