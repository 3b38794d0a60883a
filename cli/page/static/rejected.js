// Rejected rows by rule, corrected in place.
import { ask } from "./dialogs.js";
import { card, count, fill, link, make, plural } from "./elements.js";
import { follow, get, post } from "./server.js";

export const marked = (text, value) => {
  if (value === null || value === undefined || value === "") return [text];
  const wanted = typeof value === "string" ? value : JSON.stringify(value);
  let at = text.search(new RegExp(`(?<=^|[,;|\\t":\\s])${wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?=$|[,;|\\t"}\\s])`));
  if (at < 0) at = text.indexOf(wanted);
  return at < 0 ? [text] : [text.slice(0, at), make("mark", {}, wanted), text.slice(at + wanted.length)];
};
export const rejectedTab = async (body, address, query, runId, ofRun) => {
  follow(ofRun);
  fill(body, make("p", { class: "empty" }, "Reading the rejected rows…"));
  const rule = query.get("rule");
  let view;
  try { view = await get(`${address}/rejected${rule ? `?rule=${encodeURIComponent(rule)}` : ""}`); } catch (error) { fill(body, card("Rejected rows", make("p", { class: "dim wrap" }, error.message))); return; }
  if (!body.isConnected) return;
  const corrected = new Map();
  const send = make("button", { type: "button", class: "main", disabled: true, onclick: () => ask(`Send ${plural(corrected.size, "corrected row")}?`, "They are uploaded as one object, and a new run with the query and the index of this one processes that object. The same rows sent twice start nothing new.", { label: "Send", act: () => post(`${address}/resend`, { rows: [...corrected.values()] }) }) }, "Send corrected rows");
  const update = () => { send.disabled = corrected.size === 0; send.textContent = corrected.size ? `Send ${plural(corrected.size, "corrected row")}` : "Send corrected rows"; };
  const entry = ({ row, rawText, values }, index) => {
    const fields = make("div", {});
    const edit = make("button", { type: "button", class: "quiet", "data-row": true, "aria-expanded": "false", onclick: () => {
      if (fields.childElementCount) { fill(fields); corrected.delete(index); edit.textContent = "Correct"; edit.setAttribute("aria-expanded", "false"); update(); return; }
      const inputs = Object.entries(values).map(([name, value]) => [name, make("input", { value: value === null ? "" : value, "aria-label": `${name} of row ${index + 1}`, oninput: () => take() })]);
      const take = () => { corrected.set(index, Object.fromEntries(inputs.map(([name, input]) => [name, input.value === "" ? null : input.value]))); update(); };
      fill(fields, make("div", { class: "fields" }, inputs.map(([name, input]) => make("label", { class: name === row.column ? "broken" : null }, name, input))));
      edit.textContent = "Leave out"; edit.setAttribute("aria-expanded", "true"); take(); inputs[0] && (inputs.find(([name]) => name === row.column) || inputs[0])[1].focus();
    } }, "Correct");
    return make("div", { class: "reject" }, make("div", { class: "split" }, make("b", {}, row.rule), row.column && make("code", {}, row.column), make("span", { class: "dim small wrap" }, row.reason || ""), make("span", { class: "dim small push" }, `unit ${row.unitId || "–"}${row.source ? `, ${row.source.split("/").pop()}` : ""}${row.line ? `, line ${count(row.line)}` : ""}`), edit), make("div", { class: "raw" }, marked(rawText, row.value)), fields);
  };
  const chip = (name, text, rows) => make("li", {}, link(`?tab=rejected${name ? `&rule=${encodeURIComponent(name)}` : ""}`, [text, make("b", {}, count(rows))], { class: "chip", "aria-current": (rule || "") === name ? "true" : null }));
  const byRule = new Map();
  for (const each of view.rules) byRule.set(each.rule, (byRule.get(each.rule) || 0) + each.rows);
  fill(body, make("ul", { class: "chips", "aria-label": "Rejected rows by rule" }, chip("", "All rules", view.read), [...byRule].map(([name, rows]) => chip(name, name, rows))),
    card(null, make("div", { class: "split" }, make("h2", {}, `${count(view.rows.length)} of ${count(view.read)}${view.readAll ? "" : "+"} rejected rows`), make("span", { class: "push" }, send)), view.rows.length ? view.rows.map(entry) : make("p", { class: "empty" }, "No row was rejected.")),
    view.readAll ? null : make("p", { class: "dim" }, `Only the first ${count(view.read)} were read. All of them: pipeline rejected ${runId} --out FILE`));
};
