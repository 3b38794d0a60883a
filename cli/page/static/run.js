// One run: how it stands, why units failed, its timeline, and its other tabs.
import { ask, copyable } from "./dialogs.js";
import { bar, card, count, fill, keys, link, main, make, moment, plural, pretty, rowParts, since, span, stateBadge, unitParts, word } from "./elements.js";
import { logTab } from "./log.js";
import { rejectedTab } from "./rejected.js";
import { rangeOf } from "./runs.js";
import { everySecond, follow, get, post, problemText, retaining } from "./server.js";
import { drawTimeline, operationBox } from "./timeline.js";
import { jobBox, unitsTab } from "./units.js";

export const TABS = [["", "Overview"], ["units", "Units"], ["rejected", "Rejected rows"], ["log", "Log"], ["jobs", "Commands"], ["history", "History"]];
export const runView = (runId) => {
  const query = new URLSearchParams(location.search);
  const tab = query.get("tab") || "";
  const address = `/api/runs/${encodeURIComponent(runId)}`;
  const head = make("div", {}, make("h1", {}, runId), make("p", { class: "dim" }, "Reading the run…"));
  const body = make("div", {});
  fill(main, head, make("nav", { class: "tabs", "aria-label": "Of this run" }, TABS.map(([name, text]) => link(name ? `?tab=${name}` : location.pathname, text, { class: "tab", "aria-current": tab === name ? "page" : null }))), body);
  const problem = (error) => { fill(head, make("h1", {}, runId), make("p", { class: "error", role: "alert" }, problemText(error))); };
  const ofRun = [address, (view) => drawHead(head, view), problem];
  if (tab === "units") unitsTab(body, address, query, ofRun);
  else if (tab === "rejected") rejectedTab(body, address, query, runId, ofRun);
  else if (tab === "log") logTab(body, address, query, ofRun);
  else if (tab === "history") historyTab(body, address, ofRun);
  else if (tab === "jobs") commandsTab(body, ofRun);
  else overviewTab(body, address, query, ofRun);
};
export const drawHead = (head, view) => {
  const { run } = view;
  const act = (action) => make("button", { type: "button", class: action.name === "stop" ? "danger" : "main", "data-key": `action-${action.name}`, onclick: () => ask(`${action.label}: run ${run.runId}?`, action.does, {
    label: action.label, danger: action.name === "stop", reason: action.name === "stop", command: action.command,
    act: (body) => post(`/api/runs/${encodeURIComponent(run.runId)}/${action.name}`, body) }) }, action.label);
  const fact = (name, ...value) => [make("dt", {}, name), make("dd", {}, ...value)];
  const facts = [
    make("div", {}, fact("Dataset", run.datasetName ? link(`/datasets/${encodeURIComponent(run.datasetName)}`, run.datasetName) : "–", run.datasetVersion ? make("span", { class: "dim" }, ` version ${run.datasetVersion}`) : null)),
    make("div", {}, fact("Range", rangeOf(run))), make("div", {}, fact("Started (UTC)", moment(run.startedAt))),
    make("div", {}, fact("Took", make("span", { "data-since": run.endedAt ? null : run.startedAt }, span(since(run.startedAt, run.endedAt))))),
    make("div", {}, fact("Attempt", count(run.runAttempt))),
    run.supersededBy && make("div", {}, fact("Superseded by", link(`/runs/${encodeURIComponent(run.supersededBy)}`, run.supersededBy))),
    run.request && run.request.retryOf && make("div", {}, fact("Retries", link(`/runs/${encodeURIComponent(run.request.retryOf)}`, run.request.retryOf))),
  ];
  fill(head, 
    make("div", { class: "head" }, make("div", {}, stateBadge(view.shown), make("h1", {}, view.headline)), make("div", {}, view.actions.map(act))),
    run.reason && view.shown !== "SUCCEEDED" ? make("p", { class: "error" }, run.reason) : null,
    make("dl", { class: "facts card" }, facts));
  document.title = `${word(view.shown)}: ${run.runId} · Pipeline`;
};
export const drawProgress = (box, view) => {
  const units = unitParts(view.states, view.total);
  const rows = rowParts(view.rows);
  fill(box, make("div", { class: "grid2" },
    card("Units", bar(units, view.total, { big: true }), keys(units.filter((part) => part.value)), view.total === null ? make("p", { class: "dim small" }, "They are not listed yet.") : make("p", { class: "dim small" }, `${plural(view.total, "unit")} in all`), view.objects && make("p", { class: view.objects.failed ? "error" : "dim small" }, `${plural(view.objects.total, "object")}: ${count(view.objects.stored)} stored, ${count(view.objects.failed)} failed`)),
    card("Rows of stored units", bar(rows, view.rows.rowsIn, { big: true }), keys(rows), make("p", { class: view.addsUp ? "dim small" : "error" }, view.rowsText))));
};
export const drawFailures = (box, view, runId) => {
  fill(box, ...view.failures.map((group, index) => {
    const unit = group.first;
    const failure = unit.failure || {};
    const tail = failure.logTail || (group.jobs.findLast((job) => job.logTail) || {}).logTail;
    return make("section", { class: "card bad", "data-failure": index },
      make("h2", {}, group.units === 1 ? `Unit ${unit.unitId} failed` : `The same error in ${plural(group.units, "unit")}${view.failuresAll ? "" : " or more"}`),
      make("p", { class: "error" }, group.error),
      make("p", { class: "small wrap dim" }, "Object: ", make("code", {}, unit.sourceUrl || "–")),
      tail && make("pre", { tabindex: 0, "aria-label": "Last lines of the job's log" }, tail),
      group.units > 1 && make("p", { class: "small wrap" }, "Units: ", group.unitIds.join(", "), group.units > group.unitIds.length ? " …" : ""),
      make("details", { "data-key": `failure-${index}` }, make("summary", {}, plural(group.jobs.length, "job"), " and counts of the first"),
        bar(rowParts(unit.rows), unit.rows.rowsIn, { big: true }), keys(rowParts(unit.rows)), group.jobs.map(jobBox)),
      group.units > group.unitIds.length && link(`/runs/${encodeURIComponent(runId)}?tab=units&state=FAILED`, "All failed units"));
  }));
};
export const overviewTab = (body, address, query, ofRun) => {
  const progress = make("div", {}); const failures = make("div", {}); const steps = make("div", {});
  const line = make("section", { class: "card", "aria-label": "Timeline" }, make("p", { class: "empty" }, "Reading the history…"));
  const detail = make("div", { "aria-live": "polite" });
  fill(body, progress, failures, steps, line, detail);
  const offset = Number(query.get("lanes") || 0);
  let chosen = null; let shown = null;
  const page = (view) => view.total > 100 && make("div", { class: "pager" }, offset > 0 && link(`?lanes=${Math.max(offset - 100, 0)}`, "Lanes before", { class: "button" }), make("span", { class: "dim" }, `units ${count(offset + 1)} to ${count(Math.min(offset + 100, view.total))} of ${count(view.total)}`), offset + 100 < view.total && link(`?lanes=${offset + 100}`, "More lanes", { class: "button" }));
  const draw = () => retaining(() => drawTimeline(line, shown, pick, () => chosen, page));
  const pick = (operation) => { chosen = operation.id; draw(); operationBox(detail, address, operation); };
  const runId = decodeURIComponent(address.split("/").pop());
  follow([ofRun[0], (view) => {
    ofRun[1](view);
    fill(steps, ...(view.steps.length ? [card("What to do next", make("ol", { class: "steps" }, view.steps.map((step) => make("li", {}, step.why, step.command && copyable(step.command)))))] : []));
  }, ofRun[2]],
  [`${address}/progress`, (view) => { drawProgress(progress, view); drawFailures(failures, view, runId); }, () => {}],
  [`${address}/timeline?offset=${offset}`, (view) => { shown = view; draw(); }, (error) => fill(line, make("h2", {}, "Timeline"), make("p", { class: "dim" }, problemText(error)))]);
  everySecond(() => { if (shown && !shown.endedAt) draw(); });
};
export const historyTab = async (body, address, ofRun) => {
  follow(ofRun);
  fill(body, make("p", { class: "empty" }, "Reading the history…"));
  try { const found = await get(`${address}/history`); if (body.isConnected) fill(body, card("History of the durable execution, as AWS has it", make("p", { class: "small wrap" }, make("code", {}, found.durableExecutionArn)), make("div", {}, found.events.slice(0, 500).map((event) => make("details", {}, make("summary", { class: "mono" }, `${event.EventId}  ${moment(event.EventTimestamp)}  ${event.EventType}  ${event.Name || ""}`), make("pre", { tabindex: 0, "aria-label": `Event ${event.EventId}` }, pretty(event))))), found.events.length > 500 && make("p", { class: "dim" }, `The first 500 of ${count(found.events.length)} events are shown.`))); } catch (error) { fill(body, card("History", make("p", { class: "dim wrap" }, error.message))); }
};
export const commandsTab = (body, ofRun) => follow([ofRun[0], (view) => { ofRun[1](view); fill(body, card("Commands with which to look further", view.commands.map(copyable))); }, ofRun[2]]);
