// Days of a dataset by month, each a button that chooses it.
import { count, make, plural, word } from "./elements.js";

const GLYPHS = { STORED: "✓", WITH_LOSSES: "!", FAILED: "✕", STOPPED: "■", RUNNING: "…", MISSING: "○", EMPTY: "–", OPEN: "" };
const KINDS = { STORED: "good", WITH_LOSSES: "warn", FAILED: "bad", STOPPED: "off", RUNNING: "busy", MISSING: "miss", EMPTY: "none", OPEN: "none" };
const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAY = 86400000;

export const dayOf = (date) => date.toISOString().slice(0, 10);
export const next = (day, by = 1) => dayOf(new Date(Date.parse(day) + by * DAY));
export const objectsText = (day) => (day.objects === null ? "" : `${day.moreObjects ? "more than " : ""}${plural(day.objects, "object")}`);

const dayText = (day) => [`${day.day}: ${word(day.state)}`, objectsText(day), day.runIds.length && plural(day.runIds.length, "run")].filter(Boolean).join(", ");

export const legend = (days) => {
  const numbers = new Map();
  for (const day of days) numbers.set(day.state, (numbers.get(day.state) || 0) + 1);
  const shown = Object.keys(GLYPHS).filter((state) => numbers.has(state) && state !== "OPEN");
  return make("div", { class: "keys" }, shown.map((state) => make("span", { class: `key day-key ${KINDS[state]}` },
    make("i", { "aria-hidden": "true" }, GLYPHS[state]), `${word(state)} `, make("b", {}, count(numbers.get(state))))));
};

// Weeks begin on Monday; days to come cannot be chosen.
const month = (days, chosen, pick) => {
  const [year, number] = days[0].day.split("-").map(Number);
  const before = (new Date(days[0].day).getUTCDay() + 6) % 7;
  const cells = [...Array(before).fill(null), ...days];
  const today = dayOf(new Date());
  const cell = (day) => make("td", {}, day && make("button", { type: "button", class: `day ${KINDS[day.state]}`, disabled: day.day > today, title: dayText(day), "aria-label": dayText(day),
    "aria-pressed": chosen.has(day.day) ? "true" : "false", "data-row": day.day <= today, "data-key": `day-${day.day}`, onclick: (event) => pick(day, event.shiftKey) },
    make("span", {}, String(Number(day.day.slice(8)))), make("i", { "aria-hidden": "true" }, day.day > today ? "" : GLYPHS[day.state])));
  const weeks = Array.from({ length: Math.ceil(cells.length / 7) }, (_, week) => cells.slice(7 * week, 7 * week + 7));
  return make("table", { class: "month" }, make("caption", {}, `${MONTHS[number - 1]} ${year}`),
    make("thead", {}, make("tr", {}, WEEKDAYS.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, weeks.map((week) => make("tr", {}, week.map(cell)))));
};

export const months = (days, chosen, pick) => {
  const byMonth = new Map();
  for (const day of days) byMonth.set(day.day.slice(0, 7), [...(byMonth.get(day.day.slice(0, 7)) || []), day]);
  return make("div", { class: "months" }, [...byMonth.values()].map((each) => month(each, chosen, pick)));
};

// Days as ranges of days that follow each other: [first, last].
export const ranges = (days) => {
  const found = [];
  for (const day of [...days].sort()) {
    const last = found.at(-1);
    if (last && next(last[1]) === day) last[1] = day; else found.push([day, day]);
  }
  return found;
};
