"""The least that an agent of livekit-agents can be: it joins and subscribes to sound. Everything is as it ships, but for
the address of its health page."""

import os

from livekit.agents import AgentServer, AutoSubscribe, JobContext, cli

server = AgentServer(host="127.0.0.1", port=int(os.environ["WORKER_PORT"]))


@server.rtc_session(agent_name=os.environ["WORKER_AGENT_NAME"])
async def entrypoint(job: JobContext) -> None:
    await job.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)


if __name__ == "__main__":
    cli.run_app(server)
