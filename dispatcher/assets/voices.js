// Who speaks, for those whose link allows to say so: below a chosen caption, a field for the name of each voice in it, and
// the choice to keep the voice for the organisation's next meetings, which takes the person's consent.

const NAME_MAX = 100;

function made(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

function tick(text) {
  const label = made("label", { className: "tick" });
  const box = made("input", { type: "checkbox" });
  label.append(box, text);
  return { label, box };
}

// One form for a part's voice. `done` is called when it is named, `tell` with what there is to say.
function nameVoice(segment, part, url, tell, done) {
  const form = made("form", { className: "voice" });
  const field = made("input", { type: "text", value: part.name ?? "", maxLength: NAME_MAX, required: true, autocomplete: "off", placeholder: "Name" });
  const label = made("label", { className: "field" });
  label.append(`Who is “${part.speaker}”?`, field);
  const keep = tick("Keep this voice for the organisation’s next meetings");
  const agreed = tick("The person agreed");
  agreed.label.hidden = true;
  keep.box.addEventListener("change", () => {
    agreed.label.hidden = !keep.box.checked;
    agreed.box.required = keep.box.checked;
    agreed.box.checked = false;
  });
  const buttons = document.createElement("div");
  buttons.append(made("button", { type: "submit", textContent: "Save name" }));
  if (part.name !== null) {
    const takeBack = made("button", { type: "button", className: "secondary", textContent: "Take back" });
    takeBack.addEventListener("click", () => send(null));
    buttons.append(takeBack);
  }
  form.append(label, keep.label, agreed.label, buttons);
  async function send(name) {
    const parts = [...form.querySelectorAll("input, button")];
    const remember = name !== null && keep.box.checked;
    const body = { segment: segment.id, label: part.label, name, remember, agreed: remember && agreed.box.checked };
    for (const control of parts) control.disabled = true;
    const answer = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify(body),
    }).catch(() => null);
    if (answer?.ok) {
      tell(remember ? "Named for everybody, and kept for the next meetings." : "Named for everybody.");
      done();
      return;
    }
    const problem = await answer?.json().catch(() => null);
    tell(problem?.detail ? `Not named: ${problem.detail}.` : "Not named: the server does not answer. Try again.");
    for (const control of parts) control.disabled = false;
    field.focus();
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(field.value);
  });
  return form;
}

// The forms for all voices of a segment that are told apart.
export function nameVoices(segment, url, tell, done) {
  const parts = new Map();
  for (const part of segment.voices ?? []) {
    if (part.label !== null && !parts.has(part.label)) parts.set(part.label, part);
  }
  return [...parts.values()].map((part) => nameVoice(segment, part, url, tell, done));
}
