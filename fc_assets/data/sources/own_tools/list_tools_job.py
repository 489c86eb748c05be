"""The tools of an MCP server, asked for in a process of their own: what a server sends stays out of the step's.

Which of them can be used is decided by `tool_list`, which reads the file.
"""

from __future__ import annotations

import asyncio

from fc_assets.data.jobs import ListToolsJob, ListToolsResult
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.tool_servers.addresses import parse_server
from fc_assets.tool_servers.client import Bounds, ListedTool, as_tools_list, connected


def list_tools(job: ListToolsJob, log: Log) -> ListToolsResult:
    """Write the list. Raises `FcAssetsError` where the server cannot be asked or lists too much."""
    tools = asyncio.run(_listed(job))
    job.file.write_text(as_tools_list(tools), encoding="utf-8")
    log.info(f"The MCP server lists {len(tools)} tools")
    return ListToolsResult(tools=len(tools))


async def _listed(job: ListToolsJob) -> list[ListedTool]:
    server = parse_server(job.server, job.variables)
    async with connected(server, Bounds(start_s=job.timeout_s, answer_s=job.timeout_s)) as connection:
        return await connection.list_tools()


if __name__ == "__main__":
    run_job(ListToolsJob, list_tools)
