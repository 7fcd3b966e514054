// The join page: name, microphone check, the meeting itself with captions and chat. The link in the address is all the
// page has; the server gives it a LiveKit token. After a reload the same person comes back and takes no second seat.

import { Transcript, display, localTimes } from "./transcript.js";

const { Room, RoomEvent, Track, DisconnectReason } = globalThis.LivekitClient ?? {};
const $ = (id) => document.getElementById(id);

const form = $("join");
const { room: roomId, key: linkKey, assistant } = form.dataset;
const REJOIN = `rapporteur-rejoin-${roomId}`;
let transcript;
let room;

localTimes();
$("name").value = stored("rapporteur-name") ?? "";

function stored(key, store = localStorage) {
  try {
    return store.getItem(key);
  } catch {
    return null;
  }
}

function keep(key, value, store = localStorage) {
  try {
    if (value === null) store.removeItem(key);
    else store.setItem(key, value);
  } catch {
    // Without storage a reload is a new entry.
  }
}

// What the browser says about a microphone, in words that help.
function microphoneProblem(error) {
  if (!globalThis.isSecureContext) return "The browser gives the microphone only to pages served over https.";
  switch (error?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return "The microphone is blocked for this page. Allow it in the browser's address bar, then try again.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "No microphone was found. Plug one in, then try again.";
    case "NotReadableError":
      return "Another program uses the microphone. Close it, then try again.";
    default:
      return `The microphone could not be opened (${error?.name ?? "unknown"}).`;
  }
}

function say(where, words) {
  const place = $(where);
  place.textContent = words;
  place.hidden = !words;
}

// ---- The microphone check ----

let checking;

async function check() {
  stopChecking();
  say("problem", "");
  let stream;
  try {
    if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    $("check-state").textContent = microphoneProblem(error);
    return;
  }
  const audio = new AudioContext();
  const analyser = new AnalyserNode(audio, { fftSize: 1024 });
  audio.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let heard = false;
  checking = { stream, audio };
  $("check-state").textContent = "Listening: say something.";
  const draw = () => {
    if (checking?.stream !== stream) return;
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    // -60 dB is silence, -10 dB is loud.
    const level = Math.min(1, Math.max(0, (10 * Math.log10(power + 1e-9) + 60) / 50));
    $("level").value = level;
    if (level > 0.45 && !heard) {
      heard = true;
      $("check-state").textContent = "Your microphone works.";
    }
    requestAnimationFrame(draw);
  };
  draw();
}

function stopChecking() {
  checking?.stream.getTracks().forEach((track) => track.stop());
  checking?.audio.close();
  checking = undefined;
  $("level").value = 0;
}

$("check").addEventListener("click", check);

// ---- Entering ----

async function wayIn(body) {
  const answer = await fetch(`/join/${roomId}`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(content.detail ?? "The server did not answer."), { status: answer.status });
  return content;
}

async function enter(name) {
  const rejoin = JSON.parse(stored(REJOIN, sessionStorage) ?? "null");
  if (rejoin?.name === name) {
    try {
      return await wayIn({ key: rejoin.key });
    } catch (error) {
      // The seat is gone; a new one is asked for with the link.
      if (error.status !== 401 && error.status !== 404) throw error;
      keep(REJOIN, null, sessionStorage);
    }
  }
  return wayIn({ key: linkKey, name });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  if (!name) {
    say("problem", "Your name is missing.");
    $("name").focus();
    return;
  }
  if (!Room) {
    say("problem", "The meeting library did not load. Reload the page.");
    return;
  }
  stopChecking();
  say("problem", "");
  $("enter").disabled = true;
  $("enter").textContent = "Connecting …";
  try {
    const way = await enter(name);
    keep("rapporteur-name", name);
    keep(REJOIN, JSON.stringify({ name, key: way.rejoin_key }), sessionStorage);
    await meet(way);
  } catch (error) {
    lobby(error.status ? error.message : `The meeting could not be reached: ${error.message}`);
  }
});

function lobby(words) {
  $("meeting").hidden = true;
  $("lobby").hidden = false;
  $("enter").disabled = false;
  $("enter").textContent = "Join";
  say("problem", words);
  $("enter").focus();
}

// ---- The meeting ----

function state(name, words) {
  $("state").dataset.state = name;
  $("state").textContent = words;
}

function showPeople() {
  const people = [room.localParticipant, ...room.remoteParticipants.values()];
  $("people").textContent = people
    .map((person) => (person.isAgent ? assistant : person.name || person.identity))
    .join(", ");
}

const nameOf = (identity) => {
  const person = room.getParticipantByIdentity(identity);
  return person?.isAgent ? assistant : person?.name || "Somebody";
};

// Streams of one topic are read side by side; `text` is called with what each says in the end.
function readText(topic, text) {
  room.registerTextStreamHandler(topic, async (reader, { identity }) => {
    try {
      text(await reader.readAll(), reader.info, identity);
    } catch {
      // A stream that broke off with its sender; a final comes again from the agent's queue.
    }
  });
}

// ---- Being transcribed ----

let own = { key: "", recognised: true };

function showConsent() {
  const words = own.recognised ? "What you say is transcribed." : "What you say is not transcribed.";
  if ($("recognised").textContent !== words) $("recognised").textContent = words;
  $("consent").textContent = own.recognised ? "Do not transcribe me" : "Transcribe me";
}

$("consent").addEventListener("click", async () => {
  const granted = !own.recognised;
  $("consent").disabled = true;
  try {
    const answer = await fetch(`/join/${roomId}/consent`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ key: own.key, granted }),
    });
    if (!answer.ok) throw new Error();
    own.recognised = (await answer.json()).recognised;
    say("notice", "");
  } catch {
    say("notice", "That could not be changed. Try again.");
  }
  $("consent").disabled = false;
  showConsent();
  $("consent").focus();
});

// ---- Several people at one microphone ----

let whose;

// Captions come through the room; which words of them are whose the server says a moment later.
function tellApart() {
  whose = new EventSource(`/join/${roomId}/voices?key=${encodeURIComponent(own.key)}`);
  whose.addEventListener("voices", (event) => {
    for (const { id, parts } of JSON.parse(event.data)) transcript.tellApart(id, parts);
  });
}

async function meet(way) {
  own = { key: way.rejoin_key, recognised: way.recognised };
  showConsent();
  transcript ??= new Transcript();
  room = new Room({ adaptiveStream: false, dynacast: false, disconnectOnPageLeave: true });
  room
    .on(RoomEvent.Reconnecting, () => state("reconnecting", "Reconnecting …"))
    .on(RoomEvent.SignalReconnecting, () => state("reconnecting", "Reconnecting …"))
    .on(RoomEvent.Reconnected, () => state("connected", "Connected"))
    .on(RoomEvent.ParticipantConnected, showPeople)
    .on(RoomEvent.ParticipantDisconnected, showPeople)
    .on(RoomEvent.ParticipantNameChanged, showPeople)
    .on(RoomEvent.LocalTrackPublished, showMute)
    .on(RoomEvent.TrackMuted, showMute)
    .on(RoomEvent.TrackUnmuted, showMute)
    .on(RoomEvent.TrackSubscribed, (track) => {
      if (track.kind === Track.Kind.Audio) $("sound").append(track.attach());
    })
    .on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()))
    .on(RoomEvent.AudioPlaybackStatusChanged, () => {
      say("notice", room.canPlaybackAudio ? "" : "Sound is blocked by the browser: press any button to hear the others.");
    })
    .on(RoomEvent.Disconnected, left);
  readText("lk.transcription", (text, info, identity) => {
    const id = info.attributes?.["lk.segment_id"] ?? info.id;
    const caption = { id, identity, name: nameOf(identity), text, start_ms: transcript.beganMs(id) ?? Date.now() - begun };
    if (!text) transcript.drop(id);
    else if (info.attributes?.["lk.transcription_final"] === "true") transcript.settle(caption, true);
    else transcript.change(caption);
  });
  readText("lk.chat", (text, info, identity) => {
    const person = room.getParticipantByIdentity(identity);
    transcript.message({ id: info.id, from: nameOf(identity), text, assistant: person?.isAgent ?? false });
  });
  const begun = Date.now();
  await room.connect(way.livekit_url, way.token);
  $("lobby").hidden = true;
  $("meeting").hidden = false;
  state("connected", "Connected");
  tellApart();
  showPeople();
  await speak();
}

async function speak() {
  try {
    await room.localParticipant.setMicrophoneEnabled(true, { echoCancellation: true, noiseSuppression: true });
    say("notice", "");
  } catch (error) {
    say("notice", `${microphoneProblem(error)} You can still read, listen and write.`);
  }
  showMute();
}

function showMute() {
  const { localParticipant } = room;
  const muted = !localParticipant.isMicrophoneEnabled;
  $("mute").setAttribute("aria-pressed", String(muted));
  $("mute").textContent = muted ? "Unmute" : "Mute";
}

function left(reason) {
  room.removeAllListeners();
  whose?.close();
  $("sound").replaceChildren();
  const words = {
    [DisconnectReason.CLIENT_INITIATED]: "You have left. Press Join to come back.",
    [DisconnectReason.ROOM_DELETED]: "The meeting is over.",
    [DisconnectReason.ROOM_CLOSED]: "The meeting is over.",
    [DisconnectReason.PARTICIPANT_REMOVED]: "You were removed from the meeting.",
    [DisconnectReason.DUPLICATE_IDENTITY]: "You joined from another window.",
  };
  lobby(words[reason] ?? "The connection was lost. Press Join to come back.");
}

$("mute").addEventListener("click", async () => {
  room.startAudio();
  if (room.localParticipant.isMicrophoneEnabled) {
    await room.localParticipant.setMicrophoneEnabled(false);
    showMute();
  } else {
    await speak();
  }
});
$("leave").addEventListener("click", () => room.disconnect());

$("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  room.startAudio();
  const text = $("question").value.trim();
  if (!text) return;
  try {
    const info = await room.localParticipant.sendText(text, { topic: "lk.chat" });
    transcript.message({ id: info.id, from: "You", text });
    $("question").value = "";
    say("notice", "");
  } catch {
    say("notice", "The message was not sent. Try again.");
  }
});

{
  const shared = { follow: () => transcript?.follow() };
  display(shared);
}
