// The durable execution as lanes, a bar per operation.
import { card, fill, make, moment, plural, pretty, span, stateBadge, word } from "./elements.js";
import { get } from "./server.js";
import { jobBox } from "./units.js";

export const STAGES = { "start-unit": "prepare", "end-unit": "prepare", "claim-run": "prepare", "load-dataset": "prepare", "list-urls": "prepare", notify: "prepare", "start-run": "prepare", "record-run": "prepare", "prepare-warehouse": "prepare", "record-unit": "prepare", validate: "check", transform: "shape" };
export const stageKind = (operation) => {
  if (["FAILED", "TIMED_OUT"].includes(operation.status)) return "failed";
  if (["Callback", "Wait"].includes(operation.kind)) return "wait";
  return STAGES[operation.name] || (operation.name.startsWith("store") ? "store" : "prepare");
};
export const drawTimeline = (box, view, pick, chosen, page) => {
  const bars = view.lanes.flatMap((lane) => lane.bars);
  if (!bars.length) { fill(box, make("h2", {}, "Timeline"), make("p", { class: "empty" }, "The execution has done nothing yet.")); return; }
  const begin = Math.min(...bars.map((each) => Date.parse(each.startedAt)));
  const end = view.endedAt ? Math.max(...bars.map((each) => Date.parse(each.endedAt || view.endedAt))) : Date.now();
  const whole = Math.max(end - begin, 1);
  const draw = (operation) => {
    const left = (100 * (Date.parse(operation.startedAt) - begin)) / whole;
    const until = operation.endedAt ? Date.parse(operation.endedAt) : end;
    const width = Math.max((100 * (until - Date.parse(operation.startedAt))) / whole, 0);
    const took = (until - Date.parse(operation.startedAt)) / 1000;
    const text = `${operation.name}: ${word(operation.status)}, ${span(took)}${operation.attempts > 1 ? `, ${operation.attempts} attempts` : ""}${operation.detail ? `; ${operation.detail}` : ""}`;
    return make("button", { type: "button", class: `${stageKind(operation)}${operation.endedAt ? "" : " open"}`, title: text, "aria-label": text, "aria-pressed": chosen() === operation.id ? "true" : "false", "data-key": `bar-${operation.id}`, onclick: () => pick(operation),
      style: { left: `${Math.min(left, 99.7)}%`, width: `${Math.min(width, 100 - left)}%` } },
      Array.from({ length: Math.min(operation.attempts - 1, 12) }, (_, index) => make("i", { style: { left: `${4 + 5 * index}px` } })));
  };
  const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => make("span", {}, span((whole * part) / 1000)));
  fill(box, make("h2", {}, "Timeline"),
    make("div", { class: "keys" }, [["prepare", "bookkeeping"], ["wait", "waits for a job or a time"], ["check", "validate"], ["shape", "transform"], ["store", "store"], ["failed", "failed"]].map(([kind, text]) => make("span", { class: `key ${kind}` }, text)), make("span", {}, "│ one more attempt")),
    make("div", { class: "axis", "aria-hidden": "true" }, marks),
    make("div", { class: "lanes" }, view.lanes.filter((lane) => lane.bars.length).map((lane) => make("div", { class: lane.failed ? "lane failed" : "lane" }, make("span", { class: "name", title: lane.name }, lane.name), make("div", { class: "track" }, lane.bars.map(draw))))),
    page(view));
};
export const operationBox = async (box, address, operation) => {
  fill(box, card(operation.name, make("p", { class: "dim" }, "Reading its input and result…")));
  try {
    const view = await get(`${address}/operations/${encodeURIComponent(operation.id)}`);
    const unit = operation.unitId ? await get(`${address}/units/${encodeURIComponent(operation.unitId)}`).catch(() => null) : null;
    const found = view.operation;
    const value = (name, content) => content !== null && content !== undefined && [make("h3", {}, name), make("pre", { tabindex: 0, "aria-label": name }, pretty(content))];
    fill(box, make("section", { class: "card", "aria-label": "Chosen operation" }, make("div", { class: "split" }, make("h2", {}, operation.unitId ? `${found.name} of unit ${operation.unitId}` : found.name), stateBadge(found.status), make("span", { class: "dim small" }, `${moment(found.startedAt)} · ${span(found.seconds)} · ${plural(found.attempts, "attempt")}`)),
      found.error && make("p", { class: "error" }, found.error), found.detail && found.detail !== found.error && make("p", {}, found.detail),
      value("Input", view.sent), value("Result", view.response), unit && unit.jobs.length > 0 && [make("h3", {}, "Jobs of the unit"), unit.jobs.map(jobBox)]));
  } catch (error) { fill(box, card(operation.name, make("p", { class: "error", role: "alert" }, error.message))); }
};
