"""A server over stdio that speaks the older protocol by hand, so that it can list what no SDK would let it list.

`mcp_raw_server.py TOOLS`: the entries of its list, as JSON. A call answers with its name and arguments as JSON.
"""

import json
import sys
from typing import Any

TOOLS: list[Any] = json.loads(sys.argv[1])


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    match method:
        case "initialize":
            return {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "raw", "version": "1"},
            }
        case "tools/list":
            # A page for each entry, so that a bad one must not spoil the pages beside it either.
            position = int(params.get("cursor") or 0)
            more = {"nextCursor": str(position + 1)} if position + 1 < len(TOOLS) else {}
            return {"tools": TOOLS[position : position + 1], **more}
        case "tools/call":
            called = json.dumps({params["name"]: params["arguments"]}, ensure_ascii=False)
            return {"content": [{"type": "text", "text": called}]}
    raise KeyError(method)


for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    reply: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
    try:
        reply["result"] = answer(request["method"], request.get("params") or {})
    except KeyError:
        reply["error"] = {"code": -32601, "message": "Method not found"}
    print(json.dumps(reply), flush=True)
