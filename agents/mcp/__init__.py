"""Tools of MCP servers, through the official SDK: which servers an agent lists, and how their tools are called.

`McpServer` is in `agents.mcp.server`, not here: importing the SDK takes a second, and few agents have a server.
"""
