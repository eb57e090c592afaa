"""Tools of MCP servers, through the official SDK: which servers an agent lists, and how their tools are called.

`McpServer` is in `agents.mcp.server`, apart: the SDK takes a second to import, which whoever lists no server is spared.
"""
