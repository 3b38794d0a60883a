// Datasets: the days of one, what was processed, and its contract's versions.
import { legend, months, next, objectsText, ranges } from "./calendar.js";
import { rowsChart, rowsTable } from "./chart.js";
import { ask, copyable } from "./dialogs.js";
import { card, count, fill, link, main, make, moment, plural, stateBadge } from "./elements.js";
import { navigate } from "./navigation.js";
import { follow, get, post, problemText } from "./server.js";

const MONTHS_SHOWN = 3;
const address = (name) => `/api/datasets/${encodeURIComponent(name)}`;

export const datasetsView = () => {
  const list = make("section", { class: "card", "aria-label": "Datasets" }, make("p", { class: "empty" }, "Reading the contracts…"));
  fill(main, make("h1", {}, "Datasets"), make("p", { class: "dim" }, "Each contract of the deployment: its days, what was processed, and its versions."), list);
  follow(["/api/datasets", (view) => fill(list, view.names.length
    ? make("ul", { class: "plain" }, view.names.map((name) => make("li", {}, link(`/datasets/${encodeURIComponent(name)}`, name, { class: "row-link", "data-row": true, "data-key": `dataset-${name}` }))))
    : make("p", { class: "empty" }, "There are no contracts. pipeline upload brings them."))]);
};

const TABS = [["", "Days"], ["contract", "Contract"]];
export const datasetView = (name) => {
  const query = new URLSearchParams(location.search);
  const tab = query.get("tab") || "";
  const body = make("div", {});
  fill(main, make("div", { class: "head" }, make("div", {}, make("h1", {}, name)), make("div", {}, link(`/?dataset=${encodeURIComponent(name)}`, "Its runs", { class: "button" }), link(`/lookup?dataset=${encodeURIComponent(name)}`, "Look up a row", { class: "button" }))),
    make("nav", { class: "tabs", "aria-label": "Of this dataset" }, TABS.map(([key, text]) => link(key ? `?tab=${key}` : location.pathname, text, { class: "tab", "aria-current": tab === key ? "page" : null }))), body);
  document.title = `Dataset ${name} · Pipeline`;
  if (tab === "contract") contractTab(body, name, query); else daysTab(body, name, query);
};

// ---- days -----------------------------------------------------------------------------------------
const monthsUntil = (last) => {
  const [year, number] = last.split("-").map(Number);
  const day = (offset, date) => new Date(Date.UTC(year, number - 1 + offset, date)).toISOString().slice(0, 10);
  return { first: day(1 - MONTHS_SHOWN, 1), last: day(1, 0), before: day(-MONTHS_SHOWN, 1).slice(0, 7), after: day(MONTHS_SHOWN, 1).slice(0, 7) };
};
const daysTab = (body, name, query) => {
  const thisMonth = new Date().toISOString().slice(0, 7);
  const asked = query.get("until") || "";
  const until = /^[0-9]{4}-(0[1-9]|1[0-2])$/.test(asked) ? asked : thisMonth;
  const shown = monthsUntil(until);
  const calendar = make("section", { class: "card", "aria-label": "Days" }, make("p", { class: "empty" }, "Reading runs and objects…"));
  const choice = make("div", { "aria-live": "polite" });
  const processed = make("div", {});
  fill(body, calendar, choice, processed);
  const chosen = new Set();
  let view = null; let last = null;
  const pager = () => make("span", { class: "push" }, link(`?until=${shown.before}`, "Earlier", { class: "button" }), " ", until < thisMonth && link(shown.after >= thisMonth ? location.pathname : `?until=${shown.after}`, "Later", { class: "button" }));
  const draw = () => {
    fill(calendar, make("div", { class: "split" }, make("h2", {}, "Days"), legend(view.days), pager()), months(view.days, chosen, pick),
      make("p", { class: "dim small" }, "Choose days to process them; Shift chooses all up to one. The newest run of a day decides. ",
        view.complete ? null : "There are earlier runs than could be read: days before them show as not processed. "), view.unlisted && make("p", { class: "small wrap" }, view.unlisted));
    if (view.processed.length) {
      fill(processed, card("Rows and reject rate, by the day on which runs began",
        make("div", { class: "beside" }, make("div", {}, make("div", { class: "keys" }, [["good", "stored"], ["off", "filtered"], ["busy", "removed"], ["bad", "rejected"]].map(([kind, text]) => make("span", { class: `key ${kind}` }, text)), make("span", { class: "key rate" }, "reject rate")), rowsChart(view.processed)),
          make("div", { class: "scroll short", tabindex: 0, role: "region", "aria-label": "Rows by day" }, rowsTable(view.processed)))));
    } else fill(processed, card("Rows and reject rate", make("p", { class: "empty" }, "No run of these months has ended.")));
  };
  const pick = (day, through) => {
    if (through && last) {
      const [from, to] = [last, day.day].sort();
      for (const each of view.days) if (each.day >= from && each.day <= to) chosen.add(each.day);
    } else if (chosen.has(day.day)) chosen.delete(day.day);
    else chosen.add(day.day);
    last = day.day;
    redraw();
    drawChoice(choice, name, view.days.filter((each) => chosen.has(each.day)), day, () => { chosen.clear(); redraw(); fill(choice); });
  };
  const redraw = () => {
    const focused = document.activeElement && document.activeElement.dataset.key;
    draw();
    const again = [...calendar.querySelectorAll("[data-key]")].find((each) => each.dataset.key === focused);
    if (again) again.focus({ preventScroll: true });
  };
  follow([`${address(name)}/days?from=${shown.first}&to=${shown.last}`, (found) => { view = found; draw(); }, (error) => fill(calendar, make("p", { class: "error", role: "alert" }, problemText(error)))]);
};
const drawChoice = (box, name, days, current, clear) => {
  const runs = current.runIds.map((runId) => link(`/runs/${encodeURIComponent(runId)}`, runId, { class: "mono" }));
  const about = make("div", { class: "split" }, make("b", {}, current.day), stateBadge(current.state), make("span", { class: "dim" }, objectsText(current)),
    make("span", { class: "wrap small" }, runs.length ? ["Runs: ", runs.flatMap((each) => [each, " "])] : "No run has processed it."));
  if (!days.length) { fill(box, card(null, about)); return; }
  const found = ranges(days.map((day) => day.day));
  const byRuns = found.map(([first, last]) => `pipeline run --dataset ${name} --start ${first} --end ${next(last)} --wait`);
  const backfills = found.map(([first, last]) => `pipeline backfill start ${name} --from ${first} --to ${next(last)} --window 1d`);
  const commands = days.length > 1 ? [...byRuns, ...backfills] : byRuns;
  const listed = found.map(([first, last]) => (first === last ? first : `${first} to ${last}`)).join(", ");
  const act = (action) => () => post(`${address(name)}/${action}`, { ranges: found.map(([first, last]) => ({ start: first, end: next(last) })) });
  const go = make("button", { type: "button", class: "main", onclick: () => ask(`Process ${plural(days.length, "day")} of ${name}?`,
    `${found.length === 1 ? "A new run processes" : `${found.length} new runs process`} all objects of these days: ${listed}. A row that is stored already is stored again under the same key.`,
    { label: "Process", act: act("run") }) }, `Process ${plural(days.length, "day")}`);
  const backfill = days.length > 1 && make("button", { type: "button", onclick: () => ask(`Backfill ${plural(days.length, "day")} of ${name}?`,
    `Those of them that are not stored are processed one after the other, each by a run of its own: ${listed}. The same days twice start nothing new. It can be paused, resumed and stopped: pipeline backfill.`,
    { label: "Backfill", act: act("backfill") }) }, "Backfill what is missing");
  fill(box, card(null, about, make("div", { class: "split" }, go, backfill, make("button", { type: "button", onclick: clear }, "Choose none")), make("p", { class: "small dim" }, "The same by:"), commands.slice(0, 6).map(copyable), commands.length > 6 && make("p", { class: "dim small" }, `and ${commands.length - 6} more`)));
};

// ---- contract ---------------------------------------------------------------------------------------
const contractTab = async (body, name, query) => {
  const text = make("section", { class: "card", "aria-label": "Contract" }, make("p", { class: "empty" }, "Reading the contract…"));
  const versions = make("section", { class: "card", "aria-label": "Versions" }, make("p", { class: "empty" }, "Reading the runs…"));
  const difference = make("div", { "aria-live": "polite" });
  fill(body, versions, difference, text);
  follow([address(name), (view) => fill(text, make("h2", {}, "As it is deployed"), view.problem && make("p", { class: "error", role: "alert" }, view.problem), view.description && make("p", {}, view.description), make("pre", { tabindex: 0, "aria-label": "Text of the contract" }, view.text)), (error) => fill(text, make("p", { class: "error", role: "alert" }, problemText(error)))]);
  let found;
  try { found = await get(`${address(name)}/versions`); } catch (error) { fill(versions, make("p", { class: "error" }, error.message)); return; }
  if (!body.isConnected) return;
  const known = found.versions.map((version) => ({ ...version, key: version.runId || "deployed" }));
  const chooser = (which, label, chosen) => make("label", { for: which }, label, " ", make("select", { id: which, onchange: () => compare() },
    known.map((version) => make("option", { value: version.key, selected: version.key === chosen }, `${version.version}${version.deployed ? " (deployed)" : ""}`))));
  const compare = () => { const [from, to] = ["before", "after"].map((which) => versions.querySelector(`#${which}`).value); navigate(`?${new URLSearchParams({ tab: "contract", before: from, after: to })}`); };
  const after = query.get("after") || (known[0] || {}).key;
  const before = query.get("before") || (known[1] || known[0] || {}).key;
  const row = (version) => make("tr", {}, make("th", { scope: "row", class: "mono" }, version.version), make("td", {}, version.deployed ? "deployed" : ""), make("td", { class: "num" }, count(version.runs)),
    make("td", { class: "small line" }, moment(version.firstAt).slice(0, 16)), make("td", { class: "small line" }, moment(version.lastAt).slice(0, 16)), make("td", {}, version.runId && link(`/runs/${encodeURIComponent(version.runId)}`, version.runId, { class: "row-link", "data-row": true })));
  fill(versions, make("h2", {}, "Versions that runs have read"), make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of the versions" }, make("table", {}, make("thead", {}, make("tr", {}, [["Version"], [""], ["Runs", "num"], ["First (UTC)"], ["Last (UTC)"], ["Newest run"]].map(([title, kind]) => make(title ? "th" : "td", { scope: title ? "col" : null, class: kind }, title)))), make("tbody", {}, known.map(row)))),
    known.length > 1 && make("div", { class: "filters" }, chooser("before", "What differs from", before), chooser("after", "to", after)));
  if (known.length > 1) drawDifference(difference, name, before, after);
};
const drawDifference = async (box, name, before, after) => {
  let view;
  try { view = await get(`${address(name)}/difference?${new URLSearchParams({ before, after })}`); } catch (error) { fill(box, card("What differs", make("p", { class: "dim wrap" }, error.message))); return; }
  const kinds = { "+": "added", "-": "taken", "@": "gap" };
  const spoken = { "+": "added: ", "-": "removed: " };
  fill(box, card("What differs", view.lines.length
    ? make("div", { class: "difference", tabindex: 0, role: "region", "aria-label": "Differences" }, view.lines.map((line) => make("div", { class: kinds[line.change] || null }, spoken[line.change] && make("span", { class: "skip" }, spoken[line.change]), make("span", { "aria-hidden": "true" }, line.change === "@" ? "" : line.change), ` ${line.text}`)))
    : make("p", { class: "dim" }, "Nothing: they say the same, in other words or another order perhaps.")));
};
