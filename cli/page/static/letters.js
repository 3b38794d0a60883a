// The dead-letter queue.
import { ask } from "./dialogs.js";
import { fill, link, main, make, moment, since, span } from "./elements.js";
import { navigate } from "./navigation.js";
import { follow, post } from "./server.js";

const indented = (text) => { try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; } };
export const lettersView = () => {
  const list = make("div", {}, make("p", { class: "empty" }, "Reading the queue…"));
  fill(main, make("h1", {}, "Dead letters"), make("p", { class: "dim" }, "Messages that were refused, or delivered too often. They stay on the queue while they are looked at."), list);
  const button = (letter, name, label, title, does, danger) => make("button", { type: "button", "data-row": true, "data-key": `${name}-${letter.messageId}`, onclick: () => ask(title, does, { label, danger, command: `pipeline dead-letters ${name} ${letter.messageId}`, act: (body) => post(`/api/dead-letters/${name}`, { ...body, messageId: letter.messageId }) }) }, label);
  // What is being corrected outlives a new drawing of the list.
  const editors = new Map();
  const editor = (letter) => {
    const text = make("textarea", { class: "mono", rows: Math.min(indented(letter.body).split("\n").length + 2, 24), "data-key": `body-${letter.messageId}`, spellcheck: "false", "aria-label": `Body of message ${letter.messageId}, to be corrected` });
    text.value = indented(letter.body);
    const failure = make("p", { class: "error", role: "alert" });
    const go = make("button", { type: "button", class: "main", onclick: async () => {
      go.disabled = true;
      failure.textContent = "";
      try {
        const done = await post("/api/dead-letters/correct", { messageId: letter.messageId, body: text.value });
        if (done.refused) failure.textContent = done.text;
        else { editors.delete(letter.messageId); navigate("/dead-letters", done.text); }
      } catch (error) { failure.textContent = error.message; }
      go.disabled = false;
    } }, "Check and send");
    return make("div", { class: "editor" }, text, failure, make("p", { class: "dim small" }, "It is checked as the pipeline would check it, sent under the id of its run, and then the letter is deleted. docs/message.md lists the fields."), make("div", { class: "split" }, go, make("button", { type: "button", onclick: () => { editors.delete(letter.messageId); draw(); } }, "Cancel")));
  };
  const correction = (letter) => make("button", { type: "button", "data-row": true, "data-key": `correct-${letter.messageId}`, "aria-expanded": editors.has(letter.messageId) ? "true" : "false", onclick: () => {
    if (!editors.has(letter.messageId)) editors.set(letter.messageId, editor(letter));
    draw();
    editors.get(letter.messageId).querySelector("textarea").focus();
  } }, "Correct");
  const entry = (letter) => make("section", { class: "card", "data-letter": letter.messageId },
    make("div", { class: "split" }, make("b", { class: "mono wrap" }, letter.messageId), make("span", { class: "dim small" }, `sent ${moment(letter.sentAt)} UTC, ${span(since(letter.sentAt))} ago`), letter.runId && link(`/runs/${encodeURIComponent(letter.runId)}`, `run ${letter.runId}`),
      make("span", { class: "push" }, correction(letter), " ", button(letter, "replay", "Replay", "Replay this message?", "Its request is sent again under the id of its run, then the letter is deleted. A message that would be refused again stays where it is.", false), " ",
        button(letter, "delete", "Delete", "Delete this message?", "It is removed for good. What it asked for is not done, unless it was sent otherwise; rows that its run has stored stay stored.", true))),
    make("p", { class: "error" }, letter.reason || "No reason is known."), editors.get(letter.messageId) || make("pre", { tabindex: 0, "aria-label": `Body of message ${letter.messageId}` }, letter.body));
  let messages = [];
  const draw = () => fill(list, ...(messages.length ? messages.map(entry) : [make("p", { class: "empty" }, "The dead-letter queue is empty.")]));
  follow(["/api/dead-letters", (view) => { messages = view.messages; draw(); }]);
};
