// The live captions page: a stream of events from the server. The browser comes back by itself after a cut and says which
// segment it saw last; the server goes on from there.

import { review } from "./review.js";
import { Transcript, display, localTimes } from "./transcript.js";

const STATES = { scheduled: "Waiting", live: "Live", ended: "Ended", cancelled: "Cancelled" };
const EMPTY = {
  scheduled: "The meeting has not begun. Captions appear here by themselves.",
  live: "Captions appear here as soon as somebody speaks.",
  ended: "The meeting is over. Nothing was said in it.",
  cancelled: "The meeting was called off.",
};
const LOAD = {
  partials: "Much is being said at once: captions appear when a sentence is complete.",
  audio: "Too much is being said at once: some of it is not captioned. What is missing is marked.",
};
// What is stored comes within this time of opening the page; it is not read aloud.
const CAUGHT_UP_MS = 1_500;

const transcript = new Transcript();
display(transcript);
localTimes();
if (transcript.log.dataset.corrections) review(transcript);

const connection = document.getElementById("connection");
const figures = document.getElementById("figures");
const state = document.getElementById("state");
const load = document.getElementById("load");
const { assistant } = transcript.log.dataset;
let meeting = state.dataset.state;

// What is the same is not written again: it would be read aloud again.
function write(place, words) {
  if (place.textContent !== words) place.textContent = words;
}

function connected(how, words) {
  connection.dataset.connection = how;
  write(connection, words);
  showState();
}

// A page that has lost its stream does not say "Live".
function showState() {
  const cut = meeting === "live" && connection.dataset.connection === "connecting" && known;
  state.dataset.state = cut ? "reconnecting" : meeting;
  write(state, cut ? "Reconnecting" : (STATES[meeting] ?? meeting));
  write(transcript.empty.querySelector("p"), EMPTY[meeting] ?? EMPTY.live);
  transcript.empty.dataset.state = meeting;
}

// Whether the stream was open before.
let known = false;
showState();

const url = transcript.log.dataset.events;
// What came before the page was opened is not announced.
let fresh = false;
let source;

function listen() {
  source = new EventSource(url);
  source.addEventListener("open", () => {
    if (!known) setTimeout(() => transcript.log.setAttribute("aria-live", "polite"), CAUGHT_UP_MS);
    known = true;
    connected("open", "Connected");
  });
  source.addEventListener("error", async () => {
    if (source.readyState !== EventSource.CLOSED) {
      connected("connecting", "Reconnecting …");
      return;
    }
    // The server refused: ask it why. A fault that may pass is tried again.
    const answer = await fetch(url, { headers: { accept: "application/json" } }).catch(() => null);
    await answer?.body?.cancel();
    if (answer?.status === 401) {
      connected("closed", "This link has expired or is not valid.");
    } else {
      connected("connecting", "Reconnecting …");
      setTimeout(listen, 3_000);
    }
  });
  source.addEventListener("segments", (event) => {
    for (const segment of JSON.parse(event.data)) transcript.settle(segment, fresh);
  });
  // Others have said a caption than it said before, or it says something else.
  for (const name of ["corrections", "voices"]) {
    source.addEventListener(name, (event) => {
      for (const segment of JSON.parse(event.data)) transcript.correct(segment);
    });
  }
  source.addEventListener("partial", (event) => {
    fresh = true;
    transcript.change(JSON.parse(event.data));
  });
  source.addEventListener("answers", (event) => {
    for (const answer of JSON.parse(event.data)) transcript.answer({ assistant, ...answer });
  });
  source.addEventListener("gaps", (event) => transcript.gaps(JSON.parse(event.data)));
  source.addEventListener("status", (event) => {
    const { status, settled_ms, coverage, left_out } = JSON.parse(event.data);
    meeting = status;
    showState();
    write(load, LOAD[left_out] ?? "");
    load.hidden = !LOAD[left_out];
    const shown = [];
    // Rounded down: "100 %" means that nothing is missing.
    if (coverage !== null) shown.push(`${Math.floor(coverage * 100)} % of speech captioned`);
    if (settled_ms !== null) shown.push(`settled after ${(settled_ms / 1000).toFixed(1)} s`);
    figures.replaceChildren(...shown.map((words) => Object.assign(document.createElement("span"), { textContent: words })));
  });
}
listen();
addEventListener("pagehide", () => source.close());
addEventListener("pageshow", (event) => event.persisted && listen());
