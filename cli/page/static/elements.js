// Elements, words and bars. What comes from the deployment is written by textContent only; the
// policy of the server forbids anything else (trusted types).
export const make = (tag, props = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "onclick" || name === "onsubmit" || name === "oninput" || name === "onchange") {
      element.addEventListener(name.slice(2), value);
    } else if (name === "style") {
      for (const [property, text] of Object.entries(value)) element.style[property] = text;
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};
export const drawn = (tag, props = {}, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, String(value));
  element.append(...children.flat(Infinity));
  return element;
};
export const fill = (element, ...children) => element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
export const byId = (id) => document.getElementById(id);
export const main = byId("main");
export const card = (title, ...children) => make("section", { class: "card" }, title && make("h2", {}, title), ...children);
export const link = (href, text, props = {}) => make("a", { href, ...props }, text);

export const count = (number) => (number === null || number === undefined ? "–" : Number(number).toLocaleString("en-US"));
export const plural = (number, one) => `${count(number)} ${one}${number === 1 ? "" : "s"}`;
export const moment = (text) => (text ? text.slice(0, 19).replace("T", " ") : "–");
export const span = (seconds) => {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.round((seconds % 86400) / 3600)} h`;
};
export const since = (begin, end) => (begin ? ((end ? Date.parse(end) : Date.now()) - Date.parse(begin)) / 1000 : null);
export const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
export const KINDS = {
  SUCCEEDED: "good", STORED: "good", SUCCEEDED_WITH_LOSSES: "warn", FAILED: "bad", TIMED_OUT: "bad",
  RUNNING: "busy", CLAIMED: "busy", SUBMITTED: "busy", STARTED: "busy", RETRYING: "warn", WAITING: "warn",
  WITH_LOSSES: "warn", MISSING: "miss",
};
export const WORDS = { SUCCEEDED_WITH_LOSSES: "With losses", NOT_STARTED: "Not started", WITH_LOSSES: "Stored with losses", EMPTY: "No objects", OPEN: "Not processed" };
export const word = (state) => WORDS[state] || state.charAt(0) + state.slice(1).toLowerCase().replaceAll("_", " ");
export const stateBadge = (state) => make("span", { class: `state ${KINDS[state] || ""}` }, word(state));

export const bar = (parts, total, { big = false, label } = {}) => {
  const shown = parts.filter((part) => part.value > 0);
  const whole = Math.max(total || 0, shown.reduce((sum, part) => sum + part.value, 0));
  const text = label || shown.map((part) => `${part.name} ${count(part.value)}`).join(", ");
  return make("div", { class: big ? "bar big" : "bar", role: "img", "aria-label": text || "nothing yet", title: text },
    shown.map((part) => make("span", { class: part.kind, style: { width: `${(100 * part.value) / whole}%` } })));
};
export const keys = (parts) => make("div", { class: "keys" }, parts.map((part) => make("span", { class: `key ${part.kind}` }, `${part.name} `, make("b", {}, count(part.value)))));
export const unitParts = (states, total) => {
  const parts = [["Stored", "STORED", "good"], ["Failed", "FAILED", "bad"], ["Running", "RUNNING", "busy"], ["Not started", "NOT_STARTED", "off"]]
    .map(([name, state, kind]) => ({ name, kind, value: states[state] || 0 }));
  const rest = (total || 0) - parts.reduce((sum, part) => sum + part.value, 0);
  return rest > 0 ? [...parts, { name: "Not begun", kind: "none", value: rest }] : parts;
};
export const rowParts = (rows) => [
  { name: "Stored", kind: "good", value: rows.stored }, { name: "Filtered", kind: "off", value: rows.filtered },
  { name: "Removed", kind: "busy", value: rows.removed }, { name: "Rejected", kind: "bad", value: rows.rejected },
];
