"""An agent of livekit-agents that hears: it joins, subscribes to sound, and runs the bundled voice detector on every track.
Everything is as it ships, but for the address of its health page and the load at which it takes no more rooms. What was heard
is written to a file a room, each second."""

import asyncio
import json
import os
import time
from pathlib import Path

from livekit import rtc
from livekit.agents import AgentServer, AutoSubscribe, JobContext, cli, inference
from livekit.agents.vad import VADEventType

SAMPLE_RATE_HZ = 16_000
FOLDER = Path(os.environ["WORKER_FOLDER"])

server = AgentServer(host="127.0.0.1", port=int(os.environ["WORKER_PORT"]), load_threshold=1.0)


@server.rtc_session(agent_name=os.environ["WORKER_AGENT_NAME"])
async def entrypoint(job: JobContext) -> None:
    frames: dict[str, list[int]] = {}
    tasks: list[asyncio.Task] = []
    vad = inference.VAD()

    async def listen(track: rtc.Track, name: str) -> None:
        count = frames.setdefault(name, [0, 0])
        detector = vad.stream()

        async def utterances() -> None:
            async for event in detector:
                if event.type == VADEventType.START_OF_SPEECH:
                    count[1] += 1

        tasks.append(asyncio.create_task(utterances()))
        async for event in rtc.AudioStream(track, sample_rate=SAMPLE_RATE_HZ, num_channels=1):
            detector.push_frame(event.frame)
            count[0] += 1

    @job.room.on("track_subscribed")
    def subscribed(track: rtc.Track, _publication: object, who: rtc.RemoteParticipant) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            tasks.append(asyncio.create_task(listen(track, f"{job.room.name}/{who.identity}")))

    async def write() -> None:
        file = FOLDER / f"{job.room.name}.json"
        while True:
            written = file.with_suffix(".new")
            written.write_text(json.dumps({"at_ms": time.monotonic() * 1000, "tracks": frames}))
            written.rename(file)
            await asyncio.sleep(1)

    await job.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
    tasks.append(asyncio.create_task(write()))


if __name__ == "__main__":
    cli.run_app(server)
