// The list of runs.
import { bar, count, fill, link, main, make, moment, since, span, stateBadge, unitParts, word } from "./elements.js";
import { navigate } from "./navigation.js";
import { follow } from "./server.js";

export const TIMES = [["1", "last hour"], ["24", "last 24 hours"], ["168", "last 7 days"], ["720", "last 30 days"], ["8760", "last year"]];
export const CHIPS = ["RUNNING", "WAITING", "SUCCEEDED", "SUCCEEDED_WITH_LOSSES", "FAILED", "STOPPED", "SKIPPED", "SUPERSEDED"];
export const listAddress = (query, changes) => {
  const next = new URLSearchParams(query);
  next.delete("cursor");
  for (const [name, value] of Object.entries(changes)) if (value) next.set(name, value); else next.delete(name);
  const text = next.toString();
  return text ? `/?${text}` : "/";
};
export const rangeOf = (run) => {
  const request = run.request || {};
  if (request.inputUrl) return request.inputUrl.split("/").slice(-2).join("/");
  if (!request.startDateTime) return "–";
  const day = (text) => (text ? text.replace(/T00:00:00(\.0+)?(Z|\+00:00)$/, "").replace("T", " ").slice(0, 16) : "now");
  return `${day(request.startDateTime)} – ${day(request.endDateTime || run.endDateTime)}`;
};
export const runRow = ({ run, shown, waiting, states }) => {
  const address = `/runs/${encodeURIComponent(run.runId)}`;
  const counted = states || { STORED: run.units.stored, FAILED: run.units.failed, NOT_STARTED: run.units.notStarted };
  const ended = states === null;
  const cell = (label, props, ...children) => make("td", { "data-label": label, ...props }, ...children);
  return make("tr", {},
    cell("Status", {}, stateBadge(waiting ? "WAITING" : shown)),
    cell("Run", { class: "whole" }, link(address, run.runId, { class: "row-link", "data-row": true, "data-key": run.runId })),
    cell("Dataset", {}, run.datasetName || "–"),
    cell("Range", { class: "small line" }, rangeOf(run)),
    cell("Started (UTC)", { class: "small line", title: run.startedAt }, moment(run.startedAt).slice(0, 16)),
    cell("Took", { class: "num" }, span(since(run.startedAt, run.endedAt))),
    cell("Units", {}, bar(unitParts(counted, run.units.total), run.units.total), make("span", { class: "small dim" }, `${count(counted.STORED || 0)} of ${count(run.units.total)}`)),
    cell("Rows in", { class: "num" }, ended ? count(run.rows.rowsIn) : "–"),
    cell("Stored", { class: "num" }, ended ? count(run.rows.stored) : "–"),
    cell("Rejected", { class: "num" }, ended ? count(run.rows.rejected) : "–"),
    cell("Attempt", { class: "num" }, count(run.runAttempt)));
};
export const runsView = () => {
  const query = new URLSearchParams(location.search);
  const chips = make("ul", { class: "chips", "aria-label": "Runs by status" });
  const table = make("section", { class: "card runs scroll", "aria-label": "Runs", tabindex: 0 }, make("p", { class: "empty" }, "Reading the runs…"));
  const search = make("input", { type: "search", id: "search", value: query.get("text") || "", placeholder: "run or dataset  ( / )", "aria-label": "Text in run id or dataset" });
  const dataset = make("input", { id: "dataset", value: query.get("dataset") || "", placeholder: "dataset", "aria-label": "Dataset" });
  const time = make("select", { id: "hours", "aria-label": "Started in the", onchange: () => submit() }, TIMES.map(([hours, text]) => make("option", { value: hours, selected: hours === (query.get("hours") || "24") }, text)));
  const losses = make("input", { type: "checkbox", id: "losses", checked: query.get("withLosses") === "1", onchange: () => submit() });
  const submit = () => navigate(listAddress(query, { text: search.value.trim(), dataset: dataset.value.trim(), hours: time.value === "24" ? "" : time.value, withLosses: losses.checked ? "1" : "" }));
  fill(main, make("h1", { class: "skip" }, "Runs"),
    make("form", { class: "filters", role: "search", onsubmit: (event) => { event.preventDefault(); submit(); } }, search, dataset, time, make("label", {}, losses, " with losses"), make("button", {}, "Filter")),
    chips, table);
  const draw = (view) => {
    const chip = (status, text, number) => make("li", {}, link(listAddress(query, { status }), [text, make("b", {}, number)], { class: "chip", "aria-current": (query.get("status") || "") === status ? "true" : null, "data-key": `chip-${status}` }));
    const running = (view.counts.RUNNING || 0) + (view.counts.CLAIMED || 0);
    const numbers = { ...view.counts, RUNNING: running };
    fill(chips, chip("", "All", `${count(view.counted)}${view.countedAll ? "" : "+"}`),
      ...CHIPS.filter((status) => numbers[status] || query.get("status") === status).map((status) => chip(status, word(status), count(numbers[status] || 0))));
    if (!view.runs.length) {
      fill(table, make("p", { class: "empty" }, view.cursor ? "None among the runs that were looked through so far." : "No run of this time is like that. pipeline run starts one."));
    } else {
      const titles = [["Status"], ["Run"], ["Dataset"], ["Range"], ["Started (UTC)"], ["Took", "num"], ["Units"], ["Rows in", "num"], ["Stored", "num"], ["Rejected", "num"], ["Attempt", "num"]];
      fill(table, make("table", { class: "cards" }, make("thead", {}, make("tr", {}, titles.map(([title, kind]) => make("th", { scope: "col", class: kind }, title)))), make("tbody", {}, view.runs.map(runRow))));
    }
    const older = view.cursor && new URLSearchParams(query);
    if (older) older.set("cursor", view.cursor);
    if (query.get("cursor") || older) table.append(make("div", { class: "pager" }, query.get("cursor") && link(listAddress(query, {}), "Newest", { class: "button" }), older && link(`/?${older}`, "Older", { class: "button" })));
  };
  follow([`/api/runs${location.search}`, draw]);
};
