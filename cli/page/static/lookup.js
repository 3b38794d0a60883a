// Where a stored row comes from: its run, its unit, its object and its line there.
import { copyable } from "./dialogs.js";
import { card, count, fill, link, main, make, moment, pretty } from "./elements.js";
import { navigate } from "./navigation.js";
import { follow, get } from "./server.js";

const lookFor = (dataset, key, index) => new URLSearchParams({ dataset, key: JSON.stringify(key), ...(index && { index }) });
const keyOf = (text) => { try { const key = JSON.parse(text || "[]"); return Array.isArray(key) ? key.map(String) : []; } catch { return []; } };

export const lookupView = async () => {
  const query = new URLSearchParams(location.search);
  const form = make("form", { class: "card", role: "search", onsubmit: (event) => { event.preventDefault(); submit(); } }, make("p", { class: "empty" }, "Reading the contracts…"));
  const found = make("div", { "aria-live": "polite" });
  fill(main, make("h1", {}, "Look up a row"), make("p", { class: "dim" }, "By its key: the run, the unit, the object and the line that a stored row comes from."), form, found);
  follow();
  let names;
  try { ({ names } = await get("/api/datasets")); } catch (error) { fill(form, make("p", { class: "error", role: "alert" }, error.message)); return; }
  if (!form.isConnected) return;
  const dataset = query.get("dataset") || "";
  const choice = make("select", { id: "dataset", onchange: () => navigate(`/lookup?${new URLSearchParams({ dataset: choice.value })}`) }, make("option", { value: "" }, "choose a dataset"), names.map((name) => make("option", { value: name, selected: name === dataset }, name)));
  const fields = make("div", { class: "fields" });
  fill(form, make("div", { class: "filters" }, make("label", { for: "dataset" }, "Dataset"), choice), fields);
  let inputs = [];
  const index = make("input", { id: "index", value: query.get("index") || "", placeholder: dataset });
  const submit = () => { if (inputs.length) navigate(`/lookup?${lookFor(choice.value, inputs.map((input) => input.value), index.value.trim())}`); };
  if (!dataset) return;
  let contract;
  try { contract = await get(`/api/datasets/${encodeURIComponent(dataset)}`); } catch (error) { fill(found, make("p", { class: "error", role: "alert" }, error.message)); return; }
  if (!form.isConnected) return;
  const given = keyOf(query.get("key"));
  if (!contract.key.length) { fill(fields, make("p", { class: "dim" }, contract.problem || "This dataset stores nothing in DynamoDB. Its rows in the warehouse have the columns run_id, unit_id and job_id.")); return; }
  inputs = contract.key.map((name, at) => make("input", { id: at ? null : "search", value: given[at] || "", "aria-label": `${name}, of the key` }));
  fill(fields, contract.key.map((name, at) => make("label", {}, name, inputs[at])), make("label", {}, "collection (index), if another", index), make("div", {}, make("button", { class: "main", "data-row": true }, "Look up")));
  if (given.length) show(found, dataset, given, query.get("index") || "");
};
const show = async (box, dataset, key, index) => {
  fill(box, card(null, make("p", { class: "empty" }, "Reading the item, and its object again…")));
  let view;
  try { view = await get(`/api/lookup?${lookFor(dataset, key, index)}`); } catch (error) { if (box.isConnected) fill(box, card(null, make("p", { class: "error", role: "alert" }, error.message))); return; }
  const { where } = view;
  const run = encodeURIComponent(where.runId);
  const of = new URLSearchParams({ tab: "log", unit: where.unitId, ...(where.jobId && { job: where.jobId }) });
  const lines = where.lines.length ? `${where.lines.slice(0, 10).map(count).join(", ")}${where.lines.length > 10 ? ` and ${count(where.lines.length - 10)} more` : ""}${where.note ? ` (${where.note})` : ""}${where.lines.length > 1 ? "; one of them is stored" : ""}` : where.note ? `not found: ${where.note}` : "–";
  const fact = (name, ...value) => make("div", { class: name === "Object" ? "wide" : null }, make("dt", {}, name), make("dd", {}, ...value));
  fill(box, make("dl", { class: "facts card found" },
    fact("Run", link(`/runs/${run}`, where.runId, { "data-row": true })), fact("Unit", link(`/runs/${run}?${new URLSearchParams({ tab: "log", unit: where.unitId })}`, where.unitId)),
    fact("Job", where.jobId ? link(`/runs/${run}?${of}`, where.jobId) : "none"), fact("Stored (UTC)", moment(where.storedAt)),
    fact("Line", lines),
    fact("Object", make("code", {}, where.sourceUrl || "not recorded"), " ", make("span", { class: `state ${where.objectState === "SAME" ? "good" : where.objectState === "UNKNOWN" ? "" : "bad"}` }, view.stateText))),
    card("The row as it is stored", make("pre", { tabindex: 0, "aria-label": "The stored row" }, pretty(where.attributes))), card("The same by", copyable(view.command)));
};
