// The live captions page: a stream of events from the server. The browser comes back by itself after a cut and says which
// segment it saw last; the server goes on from there.

import { Transcript, display, localTimes } from "./transcript.js";

const STATES = { scheduled: "Waiting", live: "Live", ended: "Ended", cancelled: "Cancelled" };

const transcript = new Transcript();
display(transcript);
localTimes();

const connection = document.getElementById("connection");
const figures = document.getElementById("figures");
const state = document.getElementById("state");

function connected(how, words) {
  connection.dataset.connection = how;
  if (connection.textContent !== words) connection.textContent = words;
}

function showState(status) {
  state.dataset.state = status;
  const words = STATES[status] ?? status;
  if (state.textContent !== words) state.textContent = words;
}
showState(state.dataset.state);

const url = transcript.log.dataset.events;
// What came before the page was opened is not announced.
let fresh = false;
let source;

function listen() {
  source = new EventSource(url);
  source.addEventListener("open", () => connected("open", "Connected"));
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
  source.addEventListener("partial", (event) => {
    fresh = true;
    transcript.change(JSON.parse(event.data));
  });
  source.addEventListener("answers", (event) => {
    for (const answer of JSON.parse(event.data)) transcript.answer(answer);
  });
  source.addEventListener("status", (event) => {
    const { status, settled_ms, coverage } = JSON.parse(event.data);
    showState(status);
    const shown = [];
    if (settled_ms !== null) shown.push(`settled in ${(settled_ms / 1000).toFixed(1)} s`);
    if (coverage !== null) shown.push(`${Math.round(coverage * 100)} % of speech captioned`);
    figures.textContent = shown.join(" · ");
  });
}
listen();
addEventListener("pagehide", () => source.close());
addEventListener("pageshow", (event) => event.persisted && listen());
