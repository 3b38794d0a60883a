// What the page asks of its server: documents, actions, and one stream of live updates.
import { byId, main } from "./elements.js";

const WAIT = 3000; // milliseconds before a stream that broke off is opened again
const NO_SERVER = "The page's server does not respond. Is pipeline console (or make local) still running?";

// What the notice is about: it goes when that is well again.
let noticed = null;
export const notice = (text, kind = "bad", about = null) => {
  const box = byId("notice");
  box.hidden = !text;
  box.dataset.kind = kind;
  box.textContent = text || "";
  noticed = text ? about : null;
};
export const problemText = (problem) => [problem.message, problem.hint].filter(Boolean).join("\n");

const finish = async (response) => {
  const text = await response.text();
  let found;
  try { found = JSON.parse(text); } catch { throw new Error(text.slice(0, 500)); }
  if (found.error && !response.ok) throw new Error(problemText(found.error));
  return found;
};
const send = async (address, options) => {
  let response;
  try { response = await fetch(address, options); } catch { throw new Error(NO_SERVER); }
  return finish(response);
};
export const get = (address) => send(address, { headers: { Accept: "application/json" } });
export const post = (address, body) =>
  send(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

// ---- live: one stream for all that a tab shows --------------------------------------------------
let stream = null;
let followed = [];
let always = [];
let again = null;
let timer = null;
const setLink = (state, text) => { byId("link").dataset.state = state; byId("link").textContent = text; };
const close = () => {
  clearTimeout(again);
  if (stream) stream.close();
  stream = null;
};
const lost = async () => {
  setLink("lost", "not connected");
  const broken = stream;
  let why = NO_SERVER;
  try {
    await get("/api/about");
    why = "Live updates broke off.";
  } catch (error) { why = error.message; }
  if (stream !== broken) return; // another view is open meanwhile
  notice(`${why}\nThe page tries again by itself.`, "bad", "stream");
  clearTimeout(again);
  again = setTimeout(open, WAIT);
};
const open = () => {
  close();
  const entries = [...followed, ...always];
  if (!entries.length || document.hidden) return;
  stream = new EventSource(`/api/live?${new URLSearchParams(entries.map(([on]) => ["on", on]))}`);
  stream.onopen = () => {
    setLink("live", "live");
    if (noticed === "stream") notice("");
  };
  stream.onerror = lost;
  stream.onmessage = (event) => {
    const { on, document: found, problem } = JSON.parse(event.data);
    for (const [address, draw, fail] of entries) {
      if (address !== on) continue;
      if (problem) {
        if (fail) fail(problem.error); else notice(problemText(problem.error), "bad", on);
      } else {
        if (noticed === on) notice("");
        retaining(() => draw(found));
      }
    }
  };
};
document.addEventListener("visibilitychange", open);

// Each entry: an address, what draws its document, and what says that it cannot be had.
export const follow = (...entries) => { followed = entries; open(); };
export const followAlways = (...entries) => { always = entries; };
export const everySecond = (draw) => { timer = setInterval(() => { if (!document.hidden) draw(); }, 1000); };
export const stopFollowing = () => {
  clearInterval(timer);
  followed = [];
  close();
};

// A view is drawn anew when its document changes: focus and what was opened stay as they were.
export const retaining = (draw) => {
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.key : null;
  const opened = new Map([...main.querySelectorAll("details[data-key]")].map((each) => [each.dataset.key, each.open]));
  draw();
  for (const each of main.querySelectorAll("details[data-key]")) if (opened.has(each.dataset.key)) each.open = opened.get(each.dataset.key);
  if (focused && document.activeElement === document.body) {
    const found = [...main.querySelectorAll("[data-key]")].find((each) => each.dataset.key === focused);
    if (found) found.focus({ preventScroll: true });
  }
};
