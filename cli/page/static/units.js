// Units of a run, a hundred at a time.
import { bar, card, count, fill, link, make, plural, rowParts, span, stateBadge, word } from "./elements.js";
import { follow, get, notice } from "./server.js";

export const jobBox = (job) => make("div", {}, make("p", { class: "small" }, stateBadge(job.state || "RUNNING"), ` ${job.engine} · ${job.stage} · attempt ${job.attempt} · ${span(job.seconds)} `, make("code", {}, job.jobId), " ", link(`${location.pathname}?${new URLSearchParams({ tab: "log", unit: job.unitId, job: job.jobId })}`, "Its log")),
  job.error && make("p", { class: "error" }, job.error),
  [["log", job.logUrl], ["console", job.consoleUrl]].filter(([, url]) => url).map(([name, url]) => make("p", { class: "small wrap" }, `${name}: `, make("code", {}, url))),
  job.logTail && make("pre", { tabindex: 0, "aria-label": `Last lines of the log of job ${job.jobId}` }, job.logTail));
// Of a unit that holds several objects: how many, the first that were left out, and where all are.
const objectLines = (unit) => unit.objects ? [
  make("p", {}, `${plural(unit.objects.total, "object")}, ${count(unit.objects.failed)} failed`),
  ...unit.failedObjects.map((each) => make("p", { class: "error wrap" }, `${each.url} at ${each.stage}: ${each.errorType}: ${each.message}`)),
  unit.objectsUrl && make("p", { class: "small wrap" }, "Each object: ", make("code", {}, unit.objectsUrl)),
] : [];
export const unitsTab = (body, address, query, ofRun) => {
  const state = query.get("state") || ""; const after = query.get("after") || "";
  const table = make("section", { class: "card runs scroll", tabindex: 0, "aria-label": "Units" }, make("p", { class: "empty" }, "Reading the units…"));
  const to = (changes) => { const next = new URLSearchParams({ tab: "units", ...(state && { state }), ...changes }); return `?${next}`; };
  const chips = make("ul", { class: "chips", "aria-label": "Units by state" });
  fill(body, chips, table);
  const detail = make("div", { "aria-live": "polite" });
  body.append(detail);
  const runId = decodeURIComponent(address.split("/").pop());
  const pick = async (unit) => { try { const view = await get(`${address}/units/${encodeURIComponent(unit.unitId)}`); fill(detail, card(`Unit ${unit.unitId}`, unit.failure && make("p", { class: "error" }, `${unit.failure.stage}: ${unit.failure.errorType}: ${unit.failure.message}`), make("p", { class: "small wrap" }, make("code", {}, unit.sourceUrl || "–")), ...objectLines(unit), view.jobs.length ? view.jobs.map(jobBox) : make("p", { class: "dim" }, "It has no jobs."))); detail.scrollIntoView({ block: "nearest" }); } catch (error) { notice(error.message); } };
  const row = (unit) => { const cell = (label, props, ...children) => make("td", { "data-label": label, ...props }, ...children); return make("tr", {},
    cell("State", {}, stateBadge(unit.status)), cell("Unit", { class: "mono" }, make("button", { type: "button", class: "quiet", "data-row": true, "data-key": `unit-${unit.unitId}`, onclick: () => pick(unit) }, unit.unitId)),
    cell("Object", { class: "small wrap whole" }, (unit.sourceUrl || "–").split("/").slice(-2).join("/")), cell("Took", { class: "num" }, span(unit.seconds)),
    cell("Rows", { class: "whole" }, bar(rowParts(unit.rows), unit.rows.rowsIn)), cell("In", { class: "num" }, count(unit.rows.rowsIn)), cell("Filtered", { class: "num" }, count(unit.rows.filtered)), cell("Rejected", { class: "num" }, count(unit.rows.rejected)), cell("Removed", { class: "num" }, count(unit.rows.removed)), cell("Stored", { class: "num" }, count(unit.rows.stored))); };
  const units = new URLSearchParams({ ...(state && { state }), ...(after && { after }) });
  follow(ofRun, [`${address}/progress`, (view) => {
    const chip = (name, text, number) => make("li", {}, link(`/runs/${encodeURIComponent(runId)}${to({ state: name })}`, [text, make("b", {}, count(number))], { class: "chip", "aria-current": state === name ? "true" : null }));
    fill(chips, chip("", "All", view.total), ...["STORED", "RUNNING", "FAILED", "NOT_STARTED"].filter((name) => view.states[name]).map((name) => chip(name, word(name), view.states[name])));
  }, () => {}], [`${address}/units?${units}`, (view) => {
    const titles = [["State"], ["Unit"], ["Object"], ["Took", "num"], ["Rows"], ["In", "num"], ["Filtered", "num"], ["Rejected", "num"], ["Removed", "num"], ["Stored", "num"]];
    fill(table, view.units.length ? make("table", { class: "cards" }, make("thead", {}, make("tr", {}, titles.map(([title, kind]) => make("th", { scope: "col", class: kind }, title)))), make("tbody", {}, view.units.map(row))) : make("p", { class: "empty" }, "There is no such unit (yet)."));
    if (after || view.more) table.append(make("div", { class: "pager" }, after && link(to({}), "First", { class: "button" }), view.more && link(to({ after: view.units.at(-1).unitId }), "Next 100", { class: "button" })));
  }]);
};
