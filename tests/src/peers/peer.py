"""A participant of LiveKit's Python SDK that obeys orders: plays a tone, shows pictures, says what it hears, reads and is told.

One JSON object a line both ways: {"do": name, "with": {...}}, then {"answer": ...} or {"failed": why}.
"""

import asyncio
import json
import math
import sys

import numpy as np
from livekit import rtc
from livekit.rtc._proto.e2ee_pb2 import KeyDerivationFunction

RATE_HZ = 48_000
FRAME_SAMPLES = RATE_HZ // 100
AMPLITUDE = 12_000
# The pitch is that of the last 400 ms.
PITCH_SAMPLES = RATE_HZ * 2 // 5
PICTURE_WIDTH, PICTURE_HEIGHT = 320, 240
PICTURES_PER_SECOND = 15


class Ear:
    """The last moments of a track."""

    def __init__(self) -> None:
        self.last = np.zeros(0, np.int16)


class Peer:
    def __init__(self) -> None:
        self.room = rtc.Room()
        self.tasks: set[asyncio.Task] = set()
        self.ear = Ear()
        self.loudest = 0
        self.hz = 0.0
        self.texts: list[dict] = []
        self.told: list[str] = []
        # What it has published: the last tone, the last pictures.
        self.tone: rtc.LocalTrackPublication | None = None
        self.pictures: rtc.LocalTrackPublication | None = None
        self.heard: rtc.Track | None = None
        self.reconnected = asyncio.Event()

    def start(self, work) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)

    def follow(self, room: rtc.Room) -> None:
        room.on("track_subscribed", self.subscribed)
        room.on("track_unsubscribed", self.unsubscribed)
        room.on("data_received", self.received)
        room.on("track_muted", lambda participant, _: self.told.append(f"muted {participant.identity}"))
        room.on("track_unmuted", lambda participant, _: self.told.append(f"unmuted {participant.identity}"))
        room.on("participant_disconnected", lambda participant: self.told.append(f"left {participant.identity}"))
        room.on("reconnected", self.reconnected.set)
        room.register_text_stream_handler("texts", lambda reader, _: self.start(self.read_stream(reader)))

    def subscribed(self, track: rtc.Track, *_) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self.heard = track
            # A stream that is over may still give silence: the newest counts.
            self.ear = Ear()
            self.start(self.listen(track, self.ear))

    def unsubscribed(self, track: rtc.Track, *_) -> None:
        # Its stream gives nothing any more and does not end either.
        if self.heard is not None and track.sid == self.heard.sid:
            self.ear = Ear()

    async def listen(self, track: rtc.Track, ear: Ear) -> None:
        async for event in rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1):
            samples = np.frombuffer(event.frame.data, np.int16)
            self.loudest = max(self.loudest, int(np.abs(samples.astype(np.int32)).max()))
            ear.last = np.concatenate([ear.last, samples])[-PITCH_SAMPLES:]

    def received(self, packet: rtc.DataPacket) -> None:
        how = "reliable" if packet.kind == rtc.DataPacketKind.KIND_RELIABLE else "lossy"
        self.texts.append({"how": how, "text": bytes(packet.data).decode()})

    async def read_stream(self, reader: rtc.TextStreamReader) -> None:
        self.texts.append({"how": "stream", "text": await reader.read_all()})

    async def play(self, source: rtc.AudioSource) -> None:
        at = 0
        while True:
            times = np.arange(at, at + FRAME_SAMPLES) / RATE_HZ
            samples = (AMPLITUDE * np.sin(2 * math.pi * self.hz * times)).astype(np.int16)
            at += FRAME_SAMPLES
            # Returns at the pace of the sound.
            await source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE_HZ, 1, FRAME_SAMPLES))

    async def draw(self, source: rtc.VideoSource) -> None:
        grey = 0
        while True:
            grey = (grey + 8) % 256
            picture = bytes([grey, grey, grey, 255]) * (PICTURE_WIDTH * PICTURE_HEIGHT)
            kind = rtc.VideoBufferType.RGBA
            source.capture_frame(rtc.VideoFrame(PICTURE_WIDTH, PICTURE_HEIGHT, kind, picture))
            await asyncio.sleep(1 / PICTURES_PER_SECOND)

    async def connect(self, url: str, token: str, keys: dict | None = None) -> None:
        options = rtc.RoomOptions()
        if keys is not None:
            provider = rtc.KeyProviderOptions(
                shared_key=keys["secret"].encode() if keys["secret"] is not None else None,
                ratchet_window_size=keys["window"],
                key_derivation_function=KeyDerivationFunction.Value(keys["derivation"]),
            )
            options.encryption = rtc.E2EEOptions(key_provider_options=provider)
        self.room = rtc.Room()
        self.follow(self.room)
        await self.room.connect(url, token, options)

    async def publish(self, hz: float, bare: bool = False) -> None:
        """Bare: every frame is sent, also of silence."""
        source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=100)
        track = rtc.LocalAudioTrack.create_audio_track("tone", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        if bare:
            options.dtx = False
        self.hz = hz
        self.start(self.play(source))
        self.tone = await self.room.local_participant.publish_track(track, options)

    async def tune(self, hz: float) -> None:
        self.hz = hz

    async def mute(self) -> None:
        self.tone.track.mute()

    async def unmute(self) -> None:
        self.tone.track.unmute()

    async def show(self, codec: str) -> None:
        source = rtc.VideoSource(PICTURE_WIDTH, PICTURE_HEIGHT)
        track = rtc.LocalVideoTrack.create_video_track("pictures", source)
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_CAMERA, video_codec=rtc.VideoCodec.Value(codec.upper())
        )
        self.start(self.draw(source))
        self.pictures = await self.room.local_participant.publish_track(track, options)

    async def hide(self) -> None:
        await self.room.local_participant.unpublish_track(self.pictures.sid)

    async def reconnect(self, entirely: bool) -> None:
        self.reconnected.clear()
        kind = rtc.SimulateScenarioKind
        scenario = kind.SIMULATE_FULL_RECONNECT if entirely else kind.SIMULATE_SIGNAL_RECONNECT
        await self.room.simulate_scenario(scenario)
        await self.reconnected.wait()

    async def leave(self) -> None:
        await self.room.disconnect()

    async def keep(self, of: str, secret: str) -> None:
        self.room.e2ee_manager.key_provider.set_key(of, secret.encode(), 0)

    async def ratchet(self) -> None:
        self.room.e2ee_manager.key_provider.ratchet_shared_key(0)

    async def say(self, how: str, text: str) -> None:
        participant = self.room.local_participant
        if how == "stream":
            await participant.send_text(text, topic="texts")
        else:
            await participant.publish_data(text.encode(), reliable=how == "reliable")

    async def sound(self) -> dict:
        last = self.ear.last
        now = int(np.abs(last.astype(np.int32)).max()) if len(last) else 0
        loud = len(last) == PITCH_SAMPLES and now > AMPLITUDE // 4
        rising = np.flatnonzero((last[:-1] < 0) & (last[1:] >= 0))
        hz = (len(rising) - 1) * RATE_HZ / (rising[-1] - rising[0]) if loud and len(rising) > 2 else 0
        return {"hz": float(hz), "loudest": self.loudest / 32_768, "now": now / 32_768}

    async def reception(self) -> dict:
        """Of the last track that is heard."""
        for stats in await self.heard.get_stats():
            if stats.WhichOneof("stats") == "inbound_rtp":
                received, inbound = stats.inbound_rtp.received, stats.inbound_rtp.inbound
                return {
                    "packets": received.packets_received,
                    "lost": received.packets_lost,
                    "samples": inbound.total_samples_received,
                    "concealed": inbound.concealed_samples,
                    "delay_s": inbound.jitter_buffer_delay,
                    "emitted": inbound.jitter_buffer_emitted_count,
                }
        raise RuntimeError("no statistics of what is received")

    async def has_read(self) -> list[dict]:
        return self.texts

    async def was_told(self) -> list[str]:
        return self.told


async def main() -> None:
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    peer = Peer()
    orders_known = {
        "connect": peer.connect,
        "publish": peer.publish,
        "tune": peer.tune,
        "mute": peer.mute,
        "unmute": peer.unmute,
        "show": peer.show,
        "hide": peer.hide,
        "keep": peer.keep,
        "ratchet": peer.ratchet,
        "say": peer.say,
        "reconnect": peer.reconnect,
        "leave": peer.leave,
        "sound": peer.sound,
        "reception": peer.reception,
        "texts": peer.has_read,
        "told": peer.was_told,
    }
    # Standard input closed means that whoever started us is gone: leave too.
    while line := await orders.readline():
        order = json.loads(line)
        try:
            answer = {"answer": await orders_known[order["do"]](**order["with"])}
        except Exception as error:
            answer = {"failed": repr(error)}
        print(json.dumps(answer), flush=True)
    await peer.room.disconnect()


asyncio.run(main())
