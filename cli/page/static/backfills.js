// Backfills: all of them, and one with its windows.
import { ask, copyable } from "./dialogs.js";
import { bar, card, count, fill, keys, link, main, make, moment, plural, span, stateBadge } from "./elements.js";
import { follow, post, problemText } from "./server.js";

const addressOf = (id) => `/backfills/${encodeURIComponent(id)}`;
const shown = (view) => (view.stopping ? "STOPPING" : view.pausing ? "PAUSING" : view.status);
const short = (text) => moment(text).replace(/ 00:00:00$/, "");
const partsOf = (counts) => [
  { name: "Done", kind: "good", value: counts.done }, { name: "Failed", kind: "bad", value: counts.failed }, { name: "Running", kind: "busy", value: counts.running },
  { name: "Passed over", kind: "off", value: counts.passedOver }, { name: "Left", kind: "none", value: counts.left },
];
const cell = (label, props, ...children) => make("td", { "data-label": label, ...props }, ...children);
const table = (label, titles, rows) => make("div", { class: "runs scroll", tabindex: 0, role: "region", "aria-label": label },
  make("table", { class: "cards" }, make("thead", {}, make("tr", {}, titles.map(([title, kind]) => make("th", { scope: "col", class: kind }, title)))), make("tbody", {}, rows)));

export const backfillsView = () => {
  const list = make("section", { class: "card", "aria-label": "Backfills" }, make("p", { class: "empty" }, "Reading the backfills…"));
  fill(main, make("h1", {}, "Backfills"), make("p", { class: "dim" }, "Ranges of a dataset that are run window by window. Choose days of a dataset, or type pipeline backfill, to start one."), list);
  const titles = [["Status"], ["Backfill"], ["Dataset"], ["Range (UTC)"], ["Window"], ["Windows"], ["Failed", "num"], ["Left", "num"], ["Began (UTC)"]];
  const row = (view) => make("tr", {}, cell("Status", {}, stateBadge(shown(view))), cell("Backfill", { class: "whole" }, link(addressOf(view.backfillId), view.backfillId, { class: "row-link", "data-row": true, "data-key": `backfill-${view.backfillId}` })),
    cell("Dataset", {}, view.asked.dataset), cell("Range (UTC)", { class: "small line" }, `${short(view.asked.startDateTime)} – ${short(view.asked.endDateTime)}`), cell("Window", {}, view.asked.window),
    cell("Windows", {}, bar(partsOf(view.counts), view.counts.total), make("span", { class: "small dim" }, `${count(view.counts.done)} of ${count(view.counts.total)}`)),
    cell("Failed", { class: "num" }, count(view.counts.failed)), cell("Left", { class: "num" }, count(view.counts.left + view.counts.running)), cell("Began (UTC)", { class: "small line" }, moment(view.createdAt).slice(0, 16)));
  follow(["/api/backfills", (found) => fill(list, found.backfills.length ? table("Table of the backfills", titles, found.backfills.map(row)) : make("p", { class: "empty" }, "There are no backfills."))]);
};

// What can be done with one, and what that does.
const actions = (view) => {
  const id = view.backfillId;
  const button = (action, label, title, text, { danger = false, reason = false, body = {}, words = "" } = {}) => make("button", { type: "button", class: danger ? "danger" : null, "data-key": `${action}${words}`, onclick: () => ask(title, text, { label, danger, reason, command: `pipeline backfill ${action} ${id}${words}`, act: (said) => post(`/api/backfills/${encodeURIComponent(id)}/${action}`, { ...said, ...body }) }) }, label);
  const running = view.status === "RUNNING";
  const held = view.pausing || view.stopping;
  const rest = view.counts.left + view.counts.running;
  return [
    running && !held && button("pause", "Pause", "Pause this backfill?", "No further window begins until it is resumed. Windows that run go on to their ends."),
    (held || (!running && rest > 0)) && button("resume", "Resume", "Resume this backfill?", `It goes on with the ${plural(rest, "window")} that ${rest === 1 ? "is" : "are"} left. Windows that failed stay failed.`),
    view.counts.failed > 0 && !(running && !held) && button("resume", "Run failed windows again", "Run the windows that failed again?", `Each of the ${plural(view.counts.failed, "window")} that failed gets a new run, which reads the contract and lists the objects as they are then; so do windows that are left.`, { body: { failed: true }, words: " --failed" }),
    (running || view.status === "PAUSED") && button("stop", "Stop", "Stop this backfill?", "No further window begins. Windows that run go on to their ends; then it ends as stopped.", { danger: true, reason: true }),
    running && view.counts.running > 0 && button("stop", "Stop with its runs", "Stop this backfill and the runs of its windows?", `No further window begins, and the ${plural(view.counts.running, "run")} under way ${view.counts.running === 1 ? "is" : "are"} stopped: jobs are cancelled, rows that are stored stay stored, and their windows count as failed.`, { danger: true, reason: true, body: { runs: true }, words: " --runs" }),
  ].filter(Boolean);
};

export const backfillView = (id) => {
  document.title = `Backfill ${id} · Pipeline`;
  const body = make("div", {}, make("p", { class: "empty" }, "Reading the backfill…"));
  fill(main, body);
  const row = (window) => make("tr", {}, cell("Window (UTC)", { class: "small line" }, `${short(window.startDateTime)} – ${short(window.endDateTime)}`),
    cell("Run", { class: "whole" }, window.status ? link(`/runs/${encodeURIComponent(window.runId)}`, window.runId, { class: "row-link", "data-row": true, "data-key": window.runId }) : make("span", { class: "wrap" }, window.runId)),
    cell("Status", {}, window.status ? stateBadge(window.status) : "–"), cell("Why", { class: "wrap" }, window.reason || "–"));
  const titles = [["Window (UTC)"], ["Run"], ["Status"], ["Why"]];
  const draw = (view) => {
    const { asked, counts } = view;
    const more = [asked.zone && `days of ${asked.zone}`, asked.query && `query ${asked.query}`, asked.index && `index ${asked.index}`, asked.priority && `priority ${asked.priority}`, asked.maxFailures !== null && `at most ${plural(asked.maxFailures, "failure")}`].filter(Boolean);
    const text = `${short(asked.startDateTime)} to ${short(asked.endDateTime)} (UTC) in windows of ${asked.window}; ${asked.newestFirst ? "newest first" : "in order"}, ${asked.atOnce} at once; ${asked.only === "all" ? "all windows" : `${asked.only} windows only`}`;
    fill(body, make("div", { class: "head" }, make("div", {}, make("h1", {}, `Backfill ${view.backfillId}`), make("p", { class: "dim" }, "Of ", link(`/datasets/${encodeURIComponent(asked.dataset)}`, asked.dataset), `; ${[text, ...more].join("; ")}.`)), make("div", {}, actions(view))),
      make("section", { class: "card", "aria-label": "How it stands" }, make("div", { class: "split" }, stateBadge(shown(view)), make("span", {}, `${count(counts.done)} of ${plural(counts.total, "window")} done`), view.secondsLeft !== null && make("span", { class: "dim" }, `about ${span(view.secondsLeft)} left`)),
        view.reason && make("p", { class: view.status === "FAILED" ? "error" : null }, view.reason), bar(partsOf(counts), counts.total, { big: true }), keys(partsOf(counts)),
        make("p", { class: "dim small" }, `= ${count(counts.total)} windows; ${count(counts.empty)} of those done had no objects. Began ${moment(view.createdAt)} UTC${view.endedAt ? `, ended ${moment(view.endedAt)} UTC` : ""}.`)),
      view.running.length ? card("Windows that run", table("Windows that run", titles, view.running.map(row))) : null,
      view.failed.length ? card(`Windows that failed${counts.failed > view.failed.length ? `, the first ${view.failed.length} of ${count(counts.failed)}` : ""}`, table("Windows that failed", titles, view.failed.map(row))) : null,
      view.nextSteps.length ? card("Commands", view.nextSteps.map((step) => [make("p", { class: "small dim" }, step.why), copyable(step.command)])) : null);
  };
  follow([`/api/backfills/${encodeURIComponent(id)}`, draw, (error) => fill(body, make("h1", {}, `Backfill ${id}`), make("p", { class: "error", role: "alert" }, problemText(error)))]);
};
