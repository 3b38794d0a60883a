// The page of `pipeline console`: which view an address is, the keyboard, and the strip.
import { backfillView, backfillsView } from "./backfills.js";
import { datasetView, datasetsView } from "./dataset.js";
import { dialog, help } from "./dialogs.js";
import { byId, fill, link, main, make, since, span } from "./elements.js";
import { lettersView } from "./letters.js";
import { lookupView } from "./lookup.js";
import { drawnBy, navigate } from "./navigation.js";
import { poolsView } from "./pools.js";
import { runView } from "./run.js";
import { runsView } from "./runs.js";
import { schedulesView } from "./schedules.js";
import { follow, followAlways, get, notice, stopFollowing } from "./server.js";
import { drawStrip, stripFails } from "./strip.js";

const VIEWS = [
  [/^\/$/, "runs", "Runs", runsView],
  [/^\/runs\/([^/]+)$/, "runs", "Run", runView],
  [/^\/datasets$/, "datasets", "Datasets", datasetsView],
  [/^\/datasets\/([^/]+)$/, "datasets", "Dataset", datasetView],
  [/^\/backfills$/, "backfills", "Backfills", backfillsView],
  [/^\/backfills\/([^/]+)$/, "backfills", "Backfill", backfillView],
  [/^\/schedules$/, "schedules", "Schedules", schedulesView],
  [/^\/lookup$/, "lookup", "Look-up", lookupView],
  [/^\/dead-letters$/, "dead-letters", "Dead letters", lettersView],
  [/^\/pools$/, "pools", "Pools", poolsView],
];
const noView = () => {
  fill(main, make("h1", {}, "There is no such view"), link("/", "To the runs"));
  follow();
};
const render = () => {
  stopFollowing();
  const [found, name, title, draw] = VIEWS.map(([pattern, ...rest]) => [location.pathname.match(pattern), ...rest]).find(([match]) => match) || [[], "", "No such view", noView];
  document.title = `${title} · Pipeline`; // a view of one thing names it
  for (const each of document.querySelectorAll("[data-nav]")) {
    if (each.dataset.nav === name) each.setAttribute("aria-current", "page"); else each.removeAttribute("aria-current");
  }
  draw(...found.slice(1).map(decodeURIComponent));
};
addEventListener("popstate", () => { notice(""); render(); });
document.addEventListener("click", (event) => {
  const anchor = event.target.closest("a[href]");
  if (!anchor || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (anchor.origin !== location.origin || anchor.getAttribute("href").startsWith("#")) return;
  event.preventDefault();
  navigate(anchor.href);
});

// ---- keyboard -----------------------------------------------------------------------------------
const move = (by) => {
  const rows = [...main.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  rows[Math.min(Math.max(at + by, 0), rows.length - 1)].focus();
};
const search = () => { const field = byId("search"); if (field) field.focus(); else navigate("/"); };
const KEYS = { j: () => move(1), k: () => move(-1), "?": help, u: () => navigate("/"), "/": search };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  if (event.target.matches("input, textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (KEYS[event.key]) { event.preventDefault(); KEYS[event.key](); }
});
byId("help-button").addEventListener("click", help);

// ---- where, and how it is ---------------------------------------------------------------------------
get("/api/about")
  .then((about) => { byId("where").textContent = [about.name, about.endpoint, about.region].filter(Boolean).join(" · "); })
  .catch((error) => notice(error.message));
followAlways(["/api/health", drawStrip, stripFails]);
setInterval(() => { for (const each of document.querySelectorAll("[data-since]")) each.textContent = span(since(each.dataset.since, null)); }, 1000);
drawnBy(render);
render();
