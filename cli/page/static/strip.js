// The strip of every view: queues, dead letters, job watcher and reaper at a glance.
import { byId, fill, link, make } from "./elements.js";

const KINDS = { OK: "good", ATTENTION: "warn", PROBLEM: "bad", UNKNOWN: "" };
const VIEWS = { "dead letters": "/dead-letters" };
const title = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const drawStrip = (view) => {
  fill(byId("strip"), ...view.findings.map(({ about, health, found, advice }) => {
    const name = VIEWS[about] ? link(VIEWS[about], title(about)) : title(about);
    return make("div", { class: `state ${KINDS[health]}`, title: advice || null },
      make("dt", {}, name), make("dd", {}, found, advice && make("span", { class: "skip" }, ` – ${advice}`)));
  }));
  byId("strip").hidden = false;
};
export const stripFails = () => { byId("strip").hidden = true; };
