// The log of a run, of one of its units or jobs: the last lines, live; earlier ones page by page.
import { fill, make, word } from "./elements.js";
import { navigate } from "./navigation.js";
import { follow, get, notice } from "./server.js";

const SHOWN = 2000; // lines at most in the document
const NEAR = 40; // pixels from the end: who is there follows
const KINDS = { ERROR: "bad", CRITICAL: "bad", WARNING: "warn" };
const HAS_A_PLACE = ["run_id", "job_id", "unit_id"];

const valueText = (value) => { const text = typeof value === "string" ? value : JSON.stringify(value); return text.length > 200 ? `${text.slice(0, 200)}…` : text; };
const drawLine = ({ place, line }) => {
  const fields = Object.entries(line.attributes).filter(([name]) => !HAS_A_PLACE.includes(name));
  return make("div", { class: `entry ${KINDS[line.level] || ""}`, "data-place": place },
    make("time", { datetime: line.time || null, title: line.time || null }, line.time ? line.time.slice(11, 23).replace("Z", "") : ""),
    make("span", { class: "from", title: line.source }, line.source),
    make("span", { class: "unit" }, line.unitId || ""),
    make("span", { class: "said" }, KINDS[line.level] && make("b", {}, `${word(line.level)}: `), line.message,
      fields.length > 0 && make("span", { class: "dim" }, fields.map(([name, value]) => `  ${name}=${valueText(value)}`)),
      line.more && make("div", { class: "more" }, line.more)));
};

export const logTab = (body, address, query, ofRun) => {
  const chosen = Object.fromEntries(["unit", "job", "text", "bad"].map((name) => [name, query.get(name) || ""]));
  const only = new URLSearchParams(Object.entries(chosen).filter(([, text]) => text));
  const input = (name, label, props = {}) => make("input", { id: name === "text" ? "search" : `log-${name}`, value: chosen[name], "aria-label": label, placeholder: label, ...props });
  const fields = { text: input("text", "text  ( / )", { type: "search" }), unit: input("unit", "unit, such as 00000-003"), job: input("job", "job id") };
  const bad = make("input", { type: "checkbox", id: "log-bad", checked: chosen.bad === "1", onchange: () => submit() });
  const submit = () => {
    const next = new URLSearchParams({ tab: "log" });
    for (const [name, field] of Object.entries(fields)) if (field.value.trim()) next.set(name, field.value.trim());
    if (bad.checked) next.set("bad", "1");
    navigate(`${location.pathname}?${next}`);
  };
  const status = make("p", { class: "dim small", role: "status" }, "Reading the log…");
  const lines = make("div", { class: "log", tabindex: 0, role: "region", "aria-label": "Log", "data-row": true });
  const older = make("button", { type: "button", hidden: true, onclick: () => readOlder() }, "Earlier lines");
  const latest = make("button", { type: "button", hidden: true, onclick: () => submit() }, "To the latest lines");
  fill(body,
    make("form", { class: "filters", role: "search", onsubmit: (event) => { event.preventDefault(); submit(); } }, ...Object.values(fields), make("label", {}, bad, " warnings and errors only"), make("button", {}, "Show")),
    make("section", { class: "card" }, older, lines, status, latest));

  let more = false;
  let cut = false; // the latest lines made place for early ones
  const first = () => (lines.firstElementChild ? lines.firstElementChild.dataset.place : null);
  const known = () => new Set([...lines.children].map((each) => each.dataset.place));
  const readOlder = async () => {
    older.disabled = true;
    try {
      const before = first();
      const page = await get(`${address}/logs?${new URLSearchParams([...only, ...(before ? [["before", before]] : [])])}`);
      const height = lines.scrollHeight;
      lines.prepend(...page.lines.map(drawLine));
      lines.scrollTop += lines.scrollHeight - height; // what was read stays where it is
      while (lines.childElementCount > SHOWN) { lines.lastElementChild.remove(); cut = true; }
      latest.hidden = !cut;
      more = page.more;
    } catch (error) { notice(error.message); }
    older.disabled = false;
    older.hidden = !more;
  };
  const draw = (view) => {
    if (cut) return;
    const there = known();
    const follows = lines.scrollHeight - lines.scrollTop - lines.clientHeight < NEAR;
    const fresh = view.lines.filter(({ place }) => !there.has(place));
    const overlaps = fresh.length < view.lines.length;
    if (!overlaps && there.size && view.lines.length) { fill(lines); more = true; } // so many came that some are not shown
    for (const each of fresh) {
      const after = [...lines.children].find((other) => other.dataset.place > each.place);
      lines.insertBefore(drawLine(each), after || null);
    }
    if (follows) {
      while (lines.childElementCount > SHOWN) { lines.firstElementChild.remove(); more = true; }
      lines.scrollTop = lines.scrollHeight;
    }
    if (!there.size) more = view.more;
    older.hidden = !more;
    const none = lines.childElementCount === 0;
    const end = view.running ? "The run goes on: lines appear as they come." : "The run has ended.";
    const hint = view.running ? "" : " Logs are stored for the stack's LogRetentionDays; a whole run shows the output of its first 20 jobs.";
    fill(status, none ? `No such line${view.running ? " yet" : ""}.${hint}` : end);
  };
  follow(ofRun, [`${address}/logs?${only}`, draw]);
};
