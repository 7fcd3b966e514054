"""The sound of many rooms with LiveKit's Python SDK and nothing else: joins, subscribes to sound, reads it at 16 kHz. One JSON
object a line in both directions."""

import asyncio
import json
import os
import sys
import time

from livekit import rtc

SAMPLE_RATE_HZ = 16_000


def tell(event: str, **more: object) -> None:
    print(json.dumps({"event": event, **more}), flush=True)


class Visit:
    def __init__(self, name: str, frames: dict[str, list[int]]) -> None:
        self.name = name
        self.frames = frames
        self.room = rtc.Room()
        self.reading: list[asyncio.Task] = []
        self.room.on("track_subscribed", self.hear)

    def hear(self, track: rtc.Track, _publication: object, who: rtc.RemoteParticipant) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self.reading.append(asyncio.create_task(self.read(track, f"{self.name}/{who.identity}")))

    async def read(self, track: rtc.Track, name: str) -> None:
        count = self.frames.setdefault(name, [0, 0])
        async for _ in rtc.AudioStream(track, sample_rate=SAMPLE_RATE_HZ, num_channels=1):
            count[0] += 1

    async def enter(self, token: str) -> None:
        await self.room.connect(os.environ["LIVEKIT_URL"], token)
        tell("entered", room=self.name)

    async def leave(self) -> None:
        await self.room.disconnect()
        for task in self.reading:
            task.cancel()


async def main() -> None:
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    visits: dict[str, Visit] = {}
    frames: dict[str, list[int]] = {}
    tell("ready")
    # Standard input closed means that whoever started us is gone.
    while line := await orders.readline():
        order = json.loads(line)
        name = order.get("room", "")
        match order["do"]:
            case "enter":
                visits[name] = Visit(name, frames)
                try:
                    await visits[name].enter(order["token"])
                except Exception as error:
                    tell("failed", room=name, what=repr(error))
            case "leave":
                await visits.pop(name).leave()
                for track in [track for track in frames if track.startswith(f"{name}/")]:
                    del frames[track]
            case "count":
                tell("heard", at_ms=time.monotonic() * 1000, tracks=frames)


asyncio.run(main())
