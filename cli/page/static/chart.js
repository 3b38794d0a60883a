// Rows and reject rate over time: bars and a line, and a table that says the same.
import { count, drawn, make } from "./elements.js";

const WIDTH = 720, HEIGHT = 170, LEFT = 46, RIGHT = 40, TOP = 10, BOTTOM = 22;
const PARTS = [["stored", "good"], ["filtered", "off"], ["removed", "busy"], ["rejected", "bad"]];
const DAY = 86400000;

const short = (number) => (number >= 1e6 ? `${+(number / 1e6).toPrecision(3)} M` : number >= 1e3 ? `${+(number / 1e3).toPrecision(3)} k` : String(number));
const roundUp = (number) => { // to 1, 2 or 5 times a power of ten
  const power = 10 ** Math.floor(Math.log10(Math.max(number, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= number);
};
export const rejectRate = (rows) => (rows.rowsIn ? (100 * rows.rejected) / rows.rowsIn : 0);
export const percent = (rate) => `${rate.toFixed(rate > 0 && rate < 10 ? 1 : 0)} %`;

export const rowsChart = (days) => {
  const at = days.map((day) => Date.parse(day.day));
  const first = at[0], span = Math.max(at.at(-1) - first, 13 * DAY) + DAY;
  const most = roundUp(Math.max(...days.map((day) => day.rows.rowsIn)));
  const worst = roundUp(Math.max(...days.map((day) => rejectRate(day.rows)), 1));
  const x = (time) => LEFT + ((WIDTH - LEFT - RIGHT) * (time - first)) / span;
  const y = (part) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - part);
  const width = Math.max(Math.min(x(first + DAY) - x(first) - 2, 36), 1.5);
  const bars = days.flatMap((day, index) => {
    let below = 0;
    return PARTS.map(([name, kind]) => {
      const from = below;
      below += day.rows[name];
      return drawn("rect", { class: kind, x: x(at[index]), width, y: y(below / most), height: Math.max(y(from / most) - y(below / most), 0) });
    });
  });
  const middle = at.map((time) => x(time) + width / 2);
  const rates = days.map((day) => y(rejectRate(day.rows) / worst));
  const text = (where, words, props = {}) => drawn("text", { ...where, ...props }, words);
  const marks = [0, 0.5, 1].map((part) => [
    drawn("line", { class: "mark", x1: LEFT, x2: WIDTH - RIGHT, y1: y(part), y2: y(part) }),
    text({ x: LEFT - 6, y: y(part) + 4, "text-anchor": "end" }, short(most * part)),
    text({ x: WIDTH - RIGHT + 6, y: y(part) + 4, class: "rate" }, percent(worst * part)),
  ]);
  return drawn("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "Rows and reject rate by day; the table beside it has the numbers" },
    marks, bars,
    drawn("polyline", { class: "rate", points: middle.map((left, index) => `${left},${rates[index]}`).join(" ") }),
    middle.map((left, index) => drawn("circle", { class: "rate", cx: left, cy: rates[index], r: 2.5 })),
    text({ x: LEFT, y: HEIGHT - 6 }, days[0].day),
    days.length > 1 ? text({ x: Math.max(middle.at(-1), LEFT + 140), y: HEIGHT - 6, "text-anchor": "middle" }, days.at(-1).day) : []);
};

export const rowsTable = (days) => {
  const titles = ["Day (UTC)", "Runs", "Rows in", "Stored", "Rejected", "Rate"];
  return make("table", {}, make("caption", { class: "skip" }, "Rows by the day on which their run began"),
    make("thead", {}, make("tr", {}, titles.map((title, index) => make("th", { scope: "col", class: index ? "num" : null }, title)))),
    make("tbody", {}, days.toReversed().map(({ day, runs, rows }) => make("tr", {}, make("th", { scope: "row" }, day),
      [count(runs), count(rows.rowsIn), count(rows.stored), count(rows.rejected), percent(rejectRate(rows))].map((text) => make("td", { class: "num" }, text))))));
};
