// Schedules of contracts: when they are due next, and whether they are paused.
import { ask } from "./dialogs.js";
import { fill, link, main, make, moment, stateBadge } from "./elements.js";
import { follow, post, problemText } from "./server.js";

const CHANGES = { CREATED: "Not applied yet", REMOVED: "In no contract any more", UPDATED: "Its contract has changed" };
export const schedulesView = () => {
  const list = make("section", { class: "card", "aria-label": "Schedules" }, make("p", { class: "empty" }, "Reading the schedules…"));
  fill(main, make("h1", {}, "Schedules"), make("p", { class: "dim" }, "Runs that start by themselves, as contracts say. pipeline schedules apply makes them what the contracts say now."), list);
  const cell = (label, props, ...children) => make("td", { "data-label": label, ...props }, ...children);
  const button = (schedule) => {
    const { name, paused } = schedule;
    const action = paused ? "resume" : "pause";
    const title = paused ? `Resume ${name}?` : `Pause ${name}?`;
    const text = paused ? "It starts runs again from the next time on that it is due. Times that have passed meanwhile start nothing." : "It starts no runs until it is resumed. Runs under way go on.";
    return make("button", { type: "button", "data-row": true, "data-key": `schedule-${name}`, onclick: () => ask(title, text, { label: paused ? "Resume" : "Pause", command: `pipeline schedules ${action} ${name}`, act: (body) => post(`/api/schedules/${encodeURIComponent(name)}/${action}`, body) }) }, paused ? "Resume" : "Pause", make("span", { class: "skip" }, ` ${name}`));
  };
  const row = (schedule) => {
    const there = schedule.change !== "CREATED";
    return make("tr", {}, cell("Schedule", { class: "whole mono" }, schedule.name), cell("Dataset", {}, link(`/datasets/${encodeURIComponent(schedule.dataset)}`, schedule.dataset)),
      cell("State", {}, stateBadge(there ? (schedule.paused ? "PAUSED" : "ENABLED") : "NOT_APPLIED"), CHANGES[schedule.change] && there && make("div", { class: "small dim" }, CHANGES[schedule.change])),
      cell("Next (UTC)", { class: "line" }, schedule.nextAt ? moment(schedule.nextAt).slice(0, 16) : "–"), cell("Cron", { class: "mono" }, schedule.cron || "–"), cell("Zone", {}, schedule.zone || "–"),
      cell("Range", { class: "small" }, schedule.startDateTime ? `${schedule.startDateTime} to ${schedule.endDateTime}` : "–"), cell("", {}, there ? button(schedule) : ""));
  };
  const titles = ["Schedule", "Dataset", "State", "Next (UTC)", "Cron", "Zone", "Range", ""];
  follow(["/api/schedules", (view) => fill(list, view.schedules.length
    ? make("div", { class: "runs scroll", tabindex: 0, role: "region", "aria-label": "Table of the schedules" }, make("table", { class: "cards" }, make("thead", {}, make("tr", {}, titles.map((title) => make(title ? "th" : "td", { scope: title ? "col" : null }, title)))), make("tbody", {}, view.schedules.map(row))))
    : make("p", { class: "empty" }, "No contract has schedules.")), (error) => fill(list, make("p", { class: "error", role: "alert" }, problemText(error)))]);
};
