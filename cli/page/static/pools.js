// Places of pools, and who waits for one.
import { bar, count, fill, main, make, span } from "./elements.js";
import { follow } from "./server.js";

export const poolsView = () => {
  const list = make("div", {}, make("p", { class: "empty" }, "Reading the pools…"));
  fill(main, make("h1", {}, "Pools"), make("p", { class: "dim" }, "How many jobs of an engine or a pool run at once, and how many wait for a place."), list);
  follow(["/api/pools", (view) => {
    const titles = [["Pool"], ["Places"], ["Running", "num"], ["Limit", "num"], ["Waiting", "num"], ["Of runs", "num"], ["Longest wait", "num"], ["Limit from"]];
    const cell = (label, props, ...children) => make("td", { "data-label": label, ...props }, ...children);
    const row = (pool) => make("tr", {}, cell("Pool", { class: "mono whole" }, pool.name), cell("Places", { class: "whole" }, bar([{ name: "Running", kind: "good", value: pool.running }, { name: "Waiting", kind: "warn", value: pool.waiting }], (pool.limit || 0) + pool.waiting)), cell("Running", { class: "num" }, count(pool.running)), cell("Limit", { class: "num" }, count(pool.limit)), cell("Waiting", { class: "num" }, count(pool.waiting)), cell("Of runs", { class: "num" }, count(pool.runsWaiting)), cell("Longest wait", { class: "num" }, pool.waiting ? span(pool.oldestSeconds) : "–"), cell("Limit from", { class: "small" }, pool.limitFrom || "–"));
    fill(list, view.poolsFile.problem ? make("p", { class: "error", role: "alert" }, `pools.yaml: ${view.poolsFile.problem}`) : "", view.pools.length ? make("section", { class: "card runs scroll", tabindex: 0, "aria-label": "Pools" }, make("table", { class: "cards" }, make("thead", {}, make("tr", {}, titles.map(([title, kind]) => make("th", { scope: "col", class: kind }, title)))), make("tbody", {}, view.pools.map(row)))) : make("p", { class: "empty" }, "No job has taken a place in a pool yet."));
  }]);
};
