"""A participant of LiveKit's Python SDK that obeys orders: plays a tone, says what it hears and reads, keeps keys.

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
        self.texts: list[dict] = []
        self.room.on("track_subscribed", self.subscribed)
        self.room.on("data_received", self.received)

    def start(self, work) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)

    def subscribed(self, track: rtc.Track, *_) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            # A stream that is over may still give silence: the newest counts.
            self.ear = Ear()
            self.start(self.listen(track, self.ear))

    async def listen(self, track: rtc.Track, ear: Ear) -> None:
        async for event in rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1):
            samples = np.frombuffer(event.frame.data, np.int16)
            self.loudest = max(self.loudest, int(np.abs(samples.astype(np.int32)).max()))
            ear.last = np.concatenate([ear.last, samples])[-PITCH_SAMPLES:]

    def received(self, packet: rtc.DataPacket) -> None:
        how = "reliable" if packet.kind == rtc.DataPacketKind.KIND_RELIABLE else "lossy"
        self.texts.append({"how": how, "text": bytes(packet.data).decode()})

    async def play(self, source: rtc.AudioSource, hz: float) -> None:
        at = 0
        while True:
            times = np.arange(at, at + FRAME_SAMPLES) / RATE_HZ
            samples = (AMPLITUDE * np.sin(2 * math.pi * hz * times)).astype(np.int16)
            at += FRAME_SAMPLES
            # Returns at the pace of the sound.
            await source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE_HZ, 1, FRAME_SAMPLES))

    async def connect(self, url: str, token: str, keys: dict | None = None) -> None:
        options = rtc.RoomOptions()
        if keys is not None:
            provider = rtc.KeyProviderOptions(
                shared_key=keys["secret"].encode() if keys["secret"] is not None else None,
                ratchet_window_size=keys["window"],
                key_derivation_function=KeyDerivationFunction.Value(keys["derivation"]),
            )
            options.encryption = rtc.E2EEOptions(key_provider_options=provider)
        await self.room.connect(url, token, options)

    async def publish(self, hz: float, bare: bool = False) -> None:
        """Bare: every frame is sent, also of silence."""
        source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=100)
        track = rtc.LocalAudioTrack.create_audio_track("tone", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        if bare:
            options.dtx = False
        self.start(self.play(source, hz))
        await self.room.local_participant.publish_track(track, options)

    async def keep(self, of: str, secret: str) -> None:
        self.room.e2ee_manager.key_provider.set_key(of, secret.encode(), 0)

    async def ratchet(self) -> None:
        self.room.e2ee_manager.key_provider.ratchet_shared_key(0)

    async def say(self, how: str, text: str) -> None:
        await self.room.local_participant.publish_data(text.encode(), reliable=how == "reliable")

    async def sound(self) -> dict:
        last = self.ear.last
        now = int(np.abs(last.astype(np.int32)).max()) if len(last) else 0
        loud = len(last) == PITCH_SAMPLES and now > AMPLITUDE // 4
        rising = np.flatnonzero((last[:-1] < 0) & (last[1:] >= 0))
        hz = (len(rising) - 1) * RATE_HZ / (rising[-1] - rising[0]) if loud and len(rising) > 2 else 0
        return {"hz": float(hz), "loudest": self.loudest / 32_768, "now": now / 32_768}

    async def read(self) -> list[dict]:
        return self.texts


async def main() -> None:
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    peer = Peer()
    obey = {
        "connect": peer.connect,
        "publish": peer.publish,
        "keep": peer.keep,
        "ratchet": peer.ratchet,
        "say": peer.say,
        "sound": peer.sound,
        "texts": peer.read,
    }
    # Standard input closed means that whoever started us is gone: leave too.
    while line := await orders.readline():
        order = json.loads(line)
        try:
            answer = {"answer": await obey[order["do"]](**order["with"])}
        except Exception as error:
            answer = {"failed": repr(error)}
        print(json.dumps(answer), flush=True)
    await peer.room.disconnect()


asyncio.run(main())
