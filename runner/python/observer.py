"""A person in a room, seen from whom the figures are taken: publishes a silent microphone, asks LiveKit for agents, and says
when the server reports that somebody is subscribed to the microphone. One JSON object a line in both directions."""

import asyncio
import json
import os
import sys
import time

from livekit import api, rtc

SAMPLE_RATE_HZ = 48_000
FRAME_SAMPLES = SAMPLE_RATE_HZ // 100


def tell(event: str, room: str, **more: object) -> None:
    print(json.dumps({"event": event, "room": room, "at_unix_ms": time.time() * 1000, **more}), flush=True)


async def be_silent(source: rtc.AudioSource) -> None:
    while True:
        # Returns at the pace of the sound.
        await source.capture_frame(rtc.AudioFrame.create(SAMPLE_RATE_HZ, 1, FRAME_SAMPLES))


class Visit:
    """One room."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.room = rtc.Room()
        self.source = rtc.AudioSource(SAMPLE_RATE_HZ, 1)
        self.playing: asyncio.Task | None = None
        self.room.on("local_track_subscribed", lambda _track: tell("subscribed", self.name))
        self.room.on("participant_connected", lambda who: tell("joined", self.name, identity=who.identity))
        self.room.on("participant_disconnected", lambda who: tell("left", self.name, identity=who.identity))

    async def enter(self, token: str) -> None:
        await self.room.connect(os.environ["LIVEKIT_URL"], token)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self.source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self.room.local_participant.publish_track(track, options)
        self.playing = asyncio.create_task(be_silent(self.source))
        tell("published", self.name)

    async def leave(self) -> None:
        if self.playing:
            self.playing.cancel()
        await self.room.disconnect()
        tell("out", self.name)


def own_token(room: str) -> str:
    grants = api.VideoGrants(room_join=True, room=room)
    # Key and secret come from the environment.
    return api.AccessToken().with_identity("observer").with_grants(grants).to_jwt()


async def obey(visits: dict[str, Visit], livekit: api.LiveKitAPI, order: dict) -> None:
    name = order["room"]
    match order["do"]:
        case "enter":
            visits[name] = Visit(name)
            await visits[name].enter(order.get("token") or own_token(name))
        case "dispatch":
            request = api.CreateAgentDispatchRequest(room=name, agent_name=order["agent"])
            tell("dispatching", name)
            await livekit.agent_dispatch.create_dispatch(request)
        case "leave":
            await visits.pop(name).leave()
        case "close":
            await livekit.room.delete_room(api.DeleteRoomRequest(room=name))


async def main() -> None:
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    visits: dict[str, Visit] = {}
    async with api.LiveKitAPI() as livekit:
        # The first call opens the connection, which is no part of what is measured.
        await livekit.room.list_rooms(api.ListRoomsRequest())
        tell("ready", "")
        # Standard input closed means that whoever started us is gone: leave too.
        while line := await orders.readline():
            order = json.loads(line)
            try:
                await obey(visits, livekit, order)
            except Exception as error:
                tell("failed", order.get("room", ""), what=f"{order.get('do')}: {error!r}")
        for visit in visits.values():
            await visit.leave()


asyncio.run(main())
