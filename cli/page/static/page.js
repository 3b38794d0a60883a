// The page of `pipeline console`. What comes from the deployment is written by textContent only;
// the policy of the server forbids anything else (trusted types).
"use strict";
(() => {
  // ---- elements ----------------------------------------------------------------------------
  const make = (tag, props = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "onclick" || name === "onsubmit" || name === "oninput" || name === "onchange") {
        element.addEventListener(name.slice(2), value);
      } else if (name === "style") {
        for (const [property, text] of Object.entries(value)) element.style[property] = text;
      } else {
        element.setAttribute(name, value === true ? "" : String(value));
      }
    }
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  };
  const fill = (element, ...children) => element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  const byId = (id) => document.getElementById(id);
  const main = byId("main");
  const card = (title, ...children) => make("section", { class: "card" }, title && make("h2", {}, title), ...children);
  const link = (href, text, props = {}) => make("a", { href, ...props }, text);

  // ---- text --------------------------------------------------------------------------------
  const count = (number) => (number === null || number === undefined ? "–" : Number(number).toLocaleString("en-US"));
  const plural = (number, one) => `${count(number)} ${one}${number === 1 ? "" : "s"}`;
  const moment = (text) => (text ? text.slice(0, 19).replace("T", " ") : "–");
  const span = (seconds) => {
    if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
    if (seconds < 10) return `${seconds.toFixed(1)} s`;
    if (seconds < 120) return `${Math.round(seconds)} s`;
    if (seconds < 7200) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
    if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
    return `${Math.floor(seconds / 86400)} d ${Math.round((seconds % 86400) / 3600)} h`;
  };
  const since = (begin, end) => (begin ? ((end ? Date.parse(end) : Date.now()) - Date.parse(begin)) / 1000 : null);
  const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
  const KINDS = {
    SUCCEEDED: "good", STORED: "good", SUCCEEDED_WITH_LOSSES: "warn", FAILED: "bad", TIMED_OUT: "bad",
    RUNNING: "busy", CLAIMED: "busy", SUBMITTED: "busy", STARTED: "busy", RETRYING: "warn", WAITING: "warn",
  };
  const WORDS = { SUCCEEDED_WITH_LOSSES: "With losses", NOT_STARTED: "Not started" };
  const word = (state) => WORDS[state] || state.charAt(0) + state.slice(1).toLowerCase().replaceAll("_", " ");
  const stateBadge = (state) => make("span", { class: `state ${KINDS[state] || ""}` }, word(state));

  // ---- bars that add up ----------------------------------------------------------------------
  const bar = (parts, total, { big = false, label } = {}) => {
    const shown = parts.filter((part) => part.value > 0);
    const whole = Math.max(total || 0, shown.reduce((sum, part) => sum + part.value, 0));
    const text = label || shown.map((part) => `${part.name} ${count(part.value)}`).join(", ");
    return make("div", { class: big ? "bar big" : "bar", role: "img", "aria-label": text || "nothing yet", title: text },
      shown.map((part) => make("span", { class: part.kind, style: { width: `${(100 * part.value) / whole}%` } })));
  };
  const keys = (parts) => make("div", { class: "keys" }, parts.map((part) => make("span", { class: `key ${part.kind}` }, `${part.name} `, make("b", {}, count(part.value)))));
  const unitParts = (states, total) => {
    const parts = [["Stored", "STORED", "good"], ["Failed", "FAILED", "bad"], ["Running", "RUNNING", "busy"], ["Not started", "NOT_STARTED", "off"]]
      .map(([name, state, kind]) => ({ name, kind, value: states[state] || 0 }));
    const rest = (total || 0) - parts.reduce((sum, part) => sum + part.value, 0);
    return rest > 0 ? [...parts, { name: "Not begun", kind: "none", value: rest }] : parts;
  };
  const rowParts = (rows) => [
    { name: "Stored", kind: "good", value: rows.stored }, { name: "Filtered", kind: "off", value: rows.filtered },
    { name: "Removed", kind: "busy", value: rows.removed }, { name: "Rejected", kind: "bad", value: rows.rejected },
  ];

  // ---- server --------------------------------------------------------------------------------
  const notice = (text, kind = "bad") => {
    const box = byId("notice");
    box.hidden = !text;
    box.dataset.kind = kind;
    box.textContent = text || "";
  };
  const problemText = (problem) => [problem.message, problem.hint].filter(Boolean).join("\n");
  const get = async (address) => {
    const response = await fetch(address, { headers: { Accept: "application/json" } });
    return finish(response);
  };
  const post = async (address, body) => {
    const response = await fetch(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    return finish(response);
  };
  const finish = async (response) => {
    const text = await response.text();
    let document_;
    try { document_ = JSON.parse(text); } catch { throw new Error(text.slice(0, 500)); }
    if (document_.error && !response.ok) throw new Error(problemText(document_.error));
    return document_;
  };
  let stream = null;
  let followed = [];
  const setLink = (state, text) => { byId("link").dataset.state = state; byId("link").textContent = text; };
  const close = () => { if (stream) stream.close(); stream = null; };
  const open = () => {
    close();
    if (!followed.length || document.hidden) return;
    const query = new URLSearchParams(followed.map(([on]) => ["on", on]));
    stream = new EventSource(`/api/live?${query}`);
    stream.onopen = () => setLink("live", "live");
    stream.onerror = () => setLink("lost", "not connected");
    stream.onmessage = (event) => {
      const { on, document: found, problem } = JSON.parse(event.data);
      const entry = followed.find(([address]) => address === on);
      if (!entry) return;
      if (problem) {
        if (entry[2]) entry[2](problem.error); else notice(problemText(problem.error));
      } else {
        if (byId("notice").dataset.kind === "bad") notice("");
        retaining(() => entry[1](found));
      }
    };
  };
  document.addEventListener("visibilitychange", open);
  const follow = (...entries) => { followed = entries; open(); };
  // A view is drawn anew when its document changes: focus and what was opened stay as they were.
  const retaining = (draw) => {
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.key : null;
    const opened = new Map([...main.querySelectorAll("details[data-key]")].map((each) => [each.dataset.key, each.open]));
    draw();
    for (const each of main.querySelectorAll("details[data-key]")) if (opened.has(each.dataset.key)) each.open = opened.get(each.dataset.key);
    if (focused && document.activeElement === document.body) {
      const again = [...main.querySelectorAll("[data-key]")].find((each) => each.dataset.key === focused);
      if (again) again.focus({ preventScroll: true });
    }
  };

  // ---- dialogs -------------------------------------------------------------------------------
  const dialog = byId("dialog");
  const show = (title, ...children) => {
    fill(dialog, make("h2", { id: "dialog-title" }, title), ...children);
    dialog.showModal();
  };
  const ask = (title, text, { label, danger = false, reason = false, command, act }) => {
    const input = reason && make("textarea", { id: "reason", maxlength: 500 });
    const go = make("button", { type: "button", class: danger ? "danger" : "main", onclick: async () => {
      go.disabled = true;
      try {
        const done = await act(input ? { reason: input.value.trim() || null } : {});
        dialog.close();
        notice(done.text, done.refused ? "bad" : "good");
        if (done.runId && !location.pathname.endsWith(`/${encodeURIComponent(done.runId)}`)) navigate(`/runs/${encodeURIComponent(done.runId)}`, done.text, done.refused);
      } catch (error) {
        go.disabled = false;
        failure.textContent = error.message;
      }
    } }, label);
    const failure = make("p", { class: "error", role: "alert" });
    show(title, make("p", {}, text), command && make("p", { class: "small dim wrap" }, "The same by: ", make("code", {}, command)),
      reason && make("label", { for: "reason" }, "Why (recorded with the run; may be empty)"), input, failure,
      make("div", { class: "row" }, make("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), go));
  };
  const help = () => show("Keyboard", make("dl", { class: "help" },
    [["j", "next row"], ["k", "row before"], ["Enter", "open it"], ["/", "search"], ["u", "back to the list"], ["?", "this help"], ["Esc", "close"]]
      .map(([key, text]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)])),
    make("div", { class: "row" }, make("button", { type: "button", onclick: () => dialog.close() }, "Close")));
  const copyable = (command) => make("div", { class: "copy" }, make("code", { tabindex: 0 }, command),
    make("button", { type: "button", onclick: async (event) => { const target = event.currentTarget; await navigator.clipboard.writeText(command); target.textContent = "Copied"; } }, "Copy"));

  // ---- the list of runs ------------------------------------------------------------------------
  const TIMES = [["1", "last hour"], ["24", "last 24 hours"], ["168", "last 7 days"], ["720", "last 30 days"], ["8760", "last year"]];
  const CHIPS = ["RUNNING", "WAITING", "SUCCEEDED", "SUCCEEDED_WITH_LOSSES", "FAILED", "STOPPED", "SKIPPED", "SUPERSEDED"];
  const listAddress = (query, changes) => {
    const next = new URLSearchParams(query);
    next.delete("cursor");
    for (const [name, value] of Object.entries(changes)) if (value) next.set(name, value); else next.delete(name);
    const text = next.toString();
    return text ? `/?${text}` : "/";
  };
  const rangeOf = (run) => {
    const request = run.request || {};
    if (request.inputUrl) return request.inputUrl.split("/").slice(-2).join("/");
    if (!request.startDateTime) return "–";
    const day = (text) => (text ? text.replace(/T00:00:00(\.0+)?(Z|\+00:00)$/, "").replace("T", " ").slice(0, 16) : "now");
    return `${day(request.startDateTime)} – ${day(request.endDateTime || run.endDateTime)}`;
  };
  const runRow = ({ run, shown, waiting, states }) => {
    const address = `/runs/${encodeURIComponent(run.runId)}`;
    const counted = states || { STORED: run.units.stored, FAILED: run.units.failed, NOT_STARTED: run.units.notStarted };
    const ended = states === null;
    const cell = (label, props, ...children) => make("td", { "data-label": label, ...props }, ...children);
    return make("tr", {},
      cell("Status", {}, stateBadge(waiting ? "WAITING" : shown)),
      cell("Run", { class: "whole" }, link(address, run.runId, { class: "row-link", "data-row": true, "data-key": run.runId })),
      cell("Dataset", {}, run.datasetName || "–"),
      cell("Range", { class: "small line" }, rangeOf(run)),
      cell("Started (UTC)", { class: "small line", title: run.startedAt }, moment(run.startedAt).slice(0, 16)),
      cell("Took", { class: "num" }, span(since(run.startedAt, run.endedAt))),
      cell("Units", {}, bar(unitParts(counted, run.units.total), run.units.total), make("span", { class: "small dim" }, `${count(counted.STORED || 0)} of ${count(run.units.total)}`)),
      cell("Rows in", { class: "num" }, ended ? count(run.rows.rowsIn) : "–"),
      cell("Stored", { class: "num" }, ended ? count(run.rows.stored) : "–"),
      cell("Rejected", { class: "num" }, ended ? count(run.rows.rejected) : "–"),
      cell("Attempt", { class: "num" }, count(run.runAttempt)));
  };
  const runsView = () => {
    const query = new URLSearchParams(location.search);
    const chips = make("ul", { class: "chips", "aria-label": "Runs by status" });
    const table = make("section", { class: "card runs scroll", "aria-label": "Runs", tabindex: 0 }, make("p", { class: "empty" }, "Reading the runs…"));
    const search = make("input", { type: "search", id: "search", value: query.get("text") || "", placeholder: "run or dataset  ( / )", "aria-label": "Text in run id or dataset" });
    const dataset = make("input", { id: "dataset", value: query.get("dataset") || "", placeholder: "dataset", "aria-label": "Dataset" });
    const time = make("select", { id: "hours", "aria-label": "Started in the", onchange: () => submit() }, TIMES.map(([hours, text]) => make("option", { value: hours, selected: hours === (query.get("hours") || "24") }, text)));
    const losses = make("input", { type: "checkbox", id: "losses", checked: query.get("withLosses") === "1", onchange: () => submit() });
    const submit = () => navigate(listAddress(query, { text: search.value.trim(), dataset: dataset.value.trim(), hours: time.value === "24" ? "" : time.value, withLosses: losses.checked ? "1" : "" }));
    fill(main, make("h1", { class: "skip" }, "Runs"),
      make("form", { class: "filters", role: "search", onsubmit: (event) => { event.preventDefault(); submit(); } }, search, dataset, time, make("label", {}, losses, " with losses"), make("button", {}, "Filter")),
      chips, table);
    const draw = (view) => {
      const chip = (status, text, number) => make("li", {}, link(listAddress(query, { status }), [text, make("b", {}, number)], { class: "chip", "aria-current": (query.get("status") || "") === status ? "true" : null, "data-key": `chip-${status}` }));
      const running = (view.counts.RUNNING || 0) + (view.counts.CLAIMED || 0);
      const numbers = { ...view.counts, RUNNING: running };
      fill(chips, chip("", "All", `${count(view.counted)}${view.countedAll ? "" : "+"}`),
        ...CHIPS.filter((status) => numbers[status] || query.get("status") === status).map((status) => chip(status, word(status), count(numbers[status] || 0))));
      if (!view.runs.length) {
        fill(table, make("p", { class: "empty" }, view.cursor ? "None among the runs that were looked through so far." : "No run of this time is like that. pipeline run starts one."));
      } else {
        const titles = [["Status"], ["Run"], ["Dataset"], ["Range"], ["Started (UTC)"], ["Took", "num"], ["Units"], ["Rows in", "num"], ["Stored", "num"], ["Rejected", "num"], ["Attempt", "num"]];
        fill(table, make("table", { class: "cards" }, make("thead", {}, make("tr", {}, titles.map(([title, kind]) => make("th", { scope: "col", class: kind }, title)))), make("tbody", {}, view.runs.map(runRow))));
      }
      const older = view.cursor && new URLSearchParams(query);
      if (older) older.set("cursor", view.cursor);
      if (query.get("cursor") || older) table.append(make("div", { class: "pager" }, query.get("cursor") && link(listAddress(query, {}), "Newest", { class: "button" }), older && link(`/?${older}`, "Older", { class: "button" })));
    };
    follow([`/api/runs${location.search}`, draw]);
  };

  // ---- one run -----------------------------------------------------------------------------------
  const TABS = [["", "Overview"], ["units", "Units"], ["rejected", "Rejected rows"], ["jobs", "Commands"], ["history", "History"]];
  const runView = (runId) => {
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
    else if (tab === "history") historyTab(body, address, ofRun);
    else if (tab === "jobs") commandsTab(body, ofRun);
    else overviewTab(body, address, query, ofRun);
  };
  const drawHead = (head, view) => {
    const { run } = view;
    const act = (action) => make("button", { type: "button", class: action.name === "stop" ? "danger" : "main", "data-key": `action-${action.name}`, onclick: () => ask(`${action.label}: run ${run.runId}?`, action.does, {
      label: action.label, danger: action.name === "stop", reason: action.name === "stop", command: action.command,
      act: (body) => post(`/api/runs/${encodeURIComponent(run.runId)}/${action.name}`, body) }) }, action.label);
    const fact = (name, ...value) => [make("dt", {}, name), make("dd", {}, ...value)];
    const facts = [
      make("div", {}, fact("Dataset", run.datasetName || "–", run.datasetVersion ? make("span", { class: "dim" }, ` version ${run.datasetVersion}`) : null)),
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
    document.title = `${word(view.shown)}: ${run.runId}`;
  };
  const drawProgress = (box, view) => {
    const units = unitParts(view.states, view.total);
    const rows = rowParts(view.rows);
    fill(box, make("div", { class: "grid2" },
      card("Units", bar(units, view.total, { big: true }), keys(units.filter((part) => part.value)), view.total === null ? make("p", { class: "dim small" }, "They are not listed yet.") : make("p", { class: "dim small" }, `${plural(view.total, "unit")} in all`)),
      card("Rows of stored units", bar(rows, view.rows.rowsIn, { big: true }), keys(rows), make("p", { class: view.addsUp ? "dim small" : "error" }, view.rowsText))));
  };
  const jobBox = (job) => make("div", {}, make("p", { class: "small" }, stateBadge(job.state || "RUNNING"), ` ${job.engine} · ${job.stage} · attempt ${job.attempt} · ${span(job.seconds)} `, make("code", {}, job.jobId)),
    job.error && make("p", { class: "error" }, job.error),
    [["log", job.logUrl], ["console", job.consoleUrl]].filter(([, url]) => url).map(([name, url]) => make("p", { class: "small wrap" }, `${name}: `, make("code", {}, url))),
    job.logTail && make("pre", { tabindex: 0, "aria-label": `Last lines of the log of job ${job.jobId}` }, job.logTail));
  const drawFailures = (box, view, runId) => {
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

  // ---- timeline ----------------------------------------------------------------------------------
  const STAGES = { "start-unit": "prepare", "end-unit": "prepare", "claim-run": "prepare", "load-dataset": "prepare", "list-urls": "prepare", notify: "prepare", "start-run": "prepare", "record-run": "prepare", "prepare-warehouse": "prepare", "record-unit": "prepare", validate: "check", transform: "shape" };
  const stageKind = (operation) => {
    if (["FAILED", "TIMED_OUT"].includes(operation.status)) return "failed";
    if (["Callback", "Wait"].includes(operation.kind)) return "wait";
    return STAGES[operation.name] || (operation.name.startsWith("store") ? "store" : "prepare");
  };
  const drawTimeline = (box, view, pick, chosen, page) => {
    const bars = view.lanes.flatMap((lane) => lane.bars);
    if (!bars.length) { fill(box, make("h2", {}, "Timeline"), make("p", { class: "empty" }, "The execution has done nothing yet.")); return; }
    const begin = Math.min(...bars.map((each) => Date.parse(each.startedAt)));
    const end = view.endedAt ? Math.max(...bars.map((each) => Date.parse(each.endedAt || view.endedAt))) : Date.now();
    const whole = Math.max(end - begin, 1);
    const draw = (operation) => {
      const left = (100 * (Date.parse(operation.startedAt) - begin)) / whole;
      const until = operation.endedAt ? Date.parse(operation.endedAt) : end;
      const width = Math.max((100 * (until - Date.parse(operation.startedAt))) / whole, 0);
      const took = (until - Date.parse(operation.startedAt)) / 1000;
      const text = `${operation.name}: ${word(operation.status)}, ${span(took)}${operation.attempts > 1 ? `, ${operation.attempts} attempts` : ""}${operation.detail ? `; ${operation.detail}` : ""}`;
      return make("button", { type: "button", class: `${stageKind(operation)}${operation.endedAt ? "" : " open"}`, title: text, "aria-label": text, "aria-pressed": chosen() === operation.id ? "true" : "false", "data-key": `bar-${operation.id}`, onclick: () => pick(operation),
        style: { left: `${Math.min(left, 99.7)}%`, width: `${Math.min(width, 100 - left)}%` } },
        Array.from({ length: Math.min(operation.attempts - 1, 12) }, (_, index) => make("i", { style: { left: `${4 + 5 * index}px` } })));
    };
    const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => make("span", {}, span((whole * part) / 1000)));
    fill(box, make("h2", {}, "Timeline"),
      make("div", { class: "keys" }, [["prepare", "bookkeeping"], ["wait", "waits for a job or a time"], ["check", "validate"], ["shape", "transform"], ["store", "store"], ["failed", "failed"]].map(([kind, text]) => make("span", { class: `key ${kind}` }, text)), make("span", {}, "│ one more attempt")),
      make("div", { class: "axis", "aria-hidden": "true" }, marks),
      make("div", { class: "lanes" }, view.lanes.filter((lane) => lane.bars.length).map((lane) => make("div", { class: lane.failed ? "lane failed" : "lane" }, make("span", { class: "name", title: lane.name }, lane.name), make("div", { class: "track" }, lane.bars.map(draw))))),
      page(view));
  };
  const operationBox = async (box, address, operation) => {
    fill(box, card(operation.name, make("p", { class: "dim" }, "Reading its input and result…")));
    try {
      const view = await get(`${address}/operations/${encodeURIComponent(operation.id)}`);
      const unit = operation.unitId ? await get(`${address}/units/${encodeURIComponent(operation.unitId)}`).catch(() => null) : null;
      const found = view.operation;
      const value = (name, content) => content !== null && content !== undefined && [make("h3", {}, name), make("pre", { tabindex: 0, "aria-label": name }, pretty(content))];
      fill(box, make("section", { class: "card", "aria-label": "Chosen operation" }, make("div", { class: "split" }, make("h2", {}, operation.unitId ? `${found.name} of unit ${operation.unitId}` : found.name), stateBadge(found.status), make("span", { class: "dim small" }, `${moment(found.startedAt)} · ${span(found.seconds)} · ${plural(found.attempts, "attempt")}`)),
        found.error && make("p", { class: "error" }, found.error), found.detail && found.detail !== found.error && make("p", {}, found.detail),
        value("Input", view.sent), value("Result", view.response), unit && unit.jobs.length > 0 && [make("h3", {}, "Jobs of the unit"), unit.jobs.map(jobBox)]));
    } catch (error) { fill(box, card(operation.name, make("p", { class: "error", role: "alert" }, error.message))); }
  };
  let timer = null;
  const overviewTab = (body, address, query, ofRun) => {
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
    timer = setInterval(() => { if (shown && !shown.endedAt && !document.hidden) draw(); }, 1000);
  };

  // ---- units, rejected rows, history ---------------------------------------------------------------
  const unitsTab = (body, address, query, ofRun) => {
    const state = query.get("state") || ""; const after = query.get("after") || "";
    const table = make("section", { class: "card runs scroll", tabindex: 0, "aria-label": "Units" }, make("p", { class: "empty" }, "Reading the units…"));
    const to = (changes) => { const next = new URLSearchParams({ tab: "units", ...(state && { state }), ...changes }); return `?${next}`; };
    const chips = make("ul", { class: "chips", "aria-label": "Units by state" });
    fill(body, chips, table);
    const detail = make("div", { "aria-live": "polite" });
    body.append(detail);
    const runId = decodeURIComponent(address.split("/").pop());
    const pick = async (unit) => { try { const view = await get(`${address}/units/${encodeURIComponent(unit.unitId)}`); fill(detail, card(`Unit ${unit.unitId}`, unit.failure && make("p", { class: "error" }, `${unit.failure.stage}: ${unit.failure.errorType}: ${unit.failure.message}`), make("p", { class: "small wrap" }, make("code", {}, unit.sourceUrl || "–")), view.jobs.length ? view.jobs.map(jobBox) : make("p", { class: "dim" }, "It has no jobs."))); detail.scrollIntoView({ block: "nearest" }); } catch (error) { notice(error.message); } };
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
  const marked = (text, value) => {
    if (value === null || value === undefined || value === "") return [text];
    const wanted = typeof value === "string" ? value : JSON.stringify(value);
    let at = text.search(new RegExp(`(?<=^|[,;|\\t":\\s])${wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?=$|[,;|\\t"}\\s])`));
    if (at < 0) at = text.indexOf(wanted);
    return at < 0 ? [text] : [text.slice(0, at), make("mark", {}, wanted), text.slice(at + wanted.length)];
  };
  const rejectedTab = async (body, address, query, runId, ofRun) => {
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
      return make("div", { class: "reject" }, make("div", { class: "split" }, make("b", {}, row.rule), row.column && make("code", {}, row.column), make("span", { class: "dim small wrap" }, row.reason || ""), make("span", { class: "dim small push" }, `unit ${row.unitId || "–"}${row.line ? `, line ${count(row.line)}` : ""}`), edit), make("div", { class: "raw" }, marked(rawText, row.value)), fields);
    };
    const chip = (name, text, rows) => make("li", {}, link(`?tab=rejected${name ? `&rule=${encodeURIComponent(name)}` : ""}`, [text, make("b", {}, count(rows))], { class: "chip", "aria-current": (rule || "") === name ? "true" : null }));
    const byRule = new Map();
    for (const each of view.rules) byRule.set(each.rule, (byRule.get(each.rule) || 0) + each.rows);
    fill(body, make("ul", { class: "chips", "aria-label": "Rejected rows by rule" }, chip("", "All rules", view.read), [...byRule].map(([name, rows]) => chip(name, name, rows))),
      card(null, make("div", { class: "split" }, make("h2", {}, `${count(view.rows.length)} of ${count(view.read)}${view.readAll ? "" : "+"} rejected rows`), make("span", { class: "push" }, send)), view.rows.length ? view.rows.map(entry) : make("p", { class: "empty" }, "No row was rejected.")),
      view.readAll ? null : make("p", { class: "dim" }, `Only the first ${count(view.read)} were read. All of them: pipeline rejected ${runId} --out FILE`));
  };
  const historyTab = async (body, address, ofRun) => {
    follow(ofRun);
    fill(body, make("p", { class: "empty" }, "Reading the history…"));
    try { const found = await get(`${address}/history`); if (body.isConnected) fill(body, card("History of the durable execution, as AWS has it", make("p", { class: "small wrap" }, make("code", {}, found.durableExecutionArn)), make("div", {}, found.events.slice(0, 500).map((event) => make("details", {}, make("summary", { class: "mono" }, `${event.EventId}  ${moment(event.EventTimestamp)}  ${event.EventType}  ${event.Name || ""}`), make("pre", { tabindex: 0, "aria-label": `Event ${event.EventId}` }, pretty(event))))), found.events.length > 500 && make("p", { class: "dim" }, `The first 500 of ${count(found.events.length)} events are shown.`))); } catch (error) { fill(body, card("History", make("p", { class: "dim wrap" }, error.message))); }
  };
  const commandsTab = (body, ofRun) => follow([ofRun[0], (view) => { ofRun[1](view); fill(body, card("Commands with which to look further", view.commands.map(copyable))); }, ofRun[2]]);

  // ---- dead letters, pools ---------------------------------------------------------------------------
  const lettersView = () => {
    const list = make("div", {}, make("p", { class: "empty" }, "Reading the queue…"));
    fill(main, make("h1", {}, "Dead letters"), make("p", { class: "dim" }, "Messages that were refused, or delivered too often. They stay on the queue while they are looked at."), list);
    const button = (letter, name, label, title, does, danger) => make("button", { type: "button", "data-row": true, "data-key": `${name}-${letter.messageId}`, onclick: () => ask(title, does, { label, danger, command: `pipeline dead-letters ${name} ${letter.messageId}`, act: (body) => post(`/api/dead-letters/${name}`, { ...body, messageId: letter.messageId }) }) }, label);
    const entry = (letter) => make("section", { class: "card", "data-letter": letter.messageId },
      make("div", { class: "split" }, make("b", { class: "mono wrap" }, letter.messageId), make("span", { class: "dim small" }, `sent ${moment(letter.sentAt)} UTC, ${span(since(letter.sentAt))} ago`), letter.runId && link(`/runs/${encodeURIComponent(letter.runId)}`, `run ${letter.runId}`),
        make("span", { class: "push" }, button(letter, "replay", "Replay", "Replay this message?", "Its request is sent again under the id of its run, then the letter is deleted. A message that would be refused again stays where it is.", false), " ",
          button(letter, "delete", "Delete", "Delete this message?", "It is removed for good. What it asked for is not done, unless it was sent otherwise; rows that its run has stored stay stored.", true))),
      make("p", { class: "error" }, letter.reason || "No reason is known."), make("pre", { tabindex: 0, "aria-label": `Body of message ${letter.messageId}` }, letter.body));
    follow(["/api/dead-letters", (view) => fill(list, ...(view.messages.length ? view.messages.map(entry) : [make("p", { class: "empty" }, "The dead-letter queue is empty.")]))]);
  };
  const poolsView = () => {
    const list = make("div", {}, make("p", { class: "empty" }, "Reading the pools…"));
    fill(main, make("h1", {}, "Pools"), make("p", { class: "dim" }, "How many jobs of an engine or a pool run at once, and how many wait for a place."), list);
    follow(["/api/pools", (view) => {
      const titles = [["Pool"], ["Places"], ["Running", "num"], ["Limit", "num"], ["Waiting", "num"], ["Of runs", "num"], ["Longest wait", "num"], ["Limit from"]];
      const cell = (label, props, ...children) => make("td", { "data-label": label, ...props }, ...children);
      const row = (pool) => make("tr", {}, cell("Pool", { class: "mono whole" }, pool.name), cell("Places", { class: "whole" }, bar([{ name: "Running", kind: "good", value: pool.running }, { name: "Waiting", kind: "warn", value: pool.waiting }], (pool.limit || 0) + pool.waiting)), cell("Running", { class: "num" }, count(pool.running)), cell("Limit", { class: "num" }, count(pool.limit)), cell("Waiting", { class: "num" }, count(pool.waiting)), cell("Of runs", { class: "num" }, count(pool.runsWaiting)), cell("Longest wait", { class: "num" }, pool.waiting ? span(pool.oldestSeconds) : "–"), cell("Limit from", { class: "small" }, pool.limitFrom || "–"));
      fill(list, view.poolsFile.problem ? make("p", { class: "error", role: "alert" }, `pools.yaml: ${view.poolsFile.problem}`) : "", view.pools.length ? make("section", { class: "card runs scroll", tabindex: 0, "aria-label": "Pools" }, make("table", { class: "cards" }, make("thead", {}, make("tr", {}, titles.map(([title, kind]) => make("th", { scope: "col", class: kind }, title)))), make("tbody", {}, view.pools.map(row)))) : make("p", { class: "empty" }, "No job has taken a place in a pool yet."));
    }]);
  };

  // ---- views by address --------------------------------------------------------------------------------
  const render = () => {
    clearInterval(timer);
    close();
    const path = location.pathname;
    const run = path.match(/^\/runs\/([^/]+)$/);
    document.title = "Pipeline";
    const name = run || path === "/" ? "runs" : path.slice(1);
    for (const each of document.querySelectorAll("[data-nav]")) if (each.dataset.nav === name) each.setAttribute("aria-current", "page"); else each.removeAttribute("aria-current");
    if (run) runView(decodeURIComponent(run[1]));
    else if (path === "/dead-letters") lettersView();
    else if (path === "/pools") poolsView();
    else if (path === "/") runsView();
    else { followed = []; fill(main, make("h1", {}, "There is no such view"), link("/", "To the runs")); }
  };
  const navigate = (address, text = "", refused = false) => { history.pushState(null, "", address); notice(text, refused ? "bad" : "good"); render(); main.focus({ preventScroll: true }); scrollTo(0, 0); };
  addEventListener("popstate", () => { notice(""); render(); });
  document.addEventListener("click", (event) => {
    const anchor = event.target.closest("a[href]");
    if (!anchor || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (anchor.origin !== location.origin || anchor.getAttribute("href").startsWith("#")) return;
    event.preventDefault();
    navigate(anchor.href);
  });
  const move = (by) => {
    const rows = [...main.querySelectorAll("[data-row]")];
    if (!rows.length) return;
    const at = rows.indexOf(document.activeElement);
    rows[Math.min(Math.max(at + by, 0), rows.length - 1)].focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    if (event.target.matches("input, textarea, select")) { if (event.key === "Escape") event.target.blur(); return; }
    const keysOf = { j: () => move(1), k: () => move(-1), "?": help, u: () => navigate("/"), "/": () => { const search = byId("search"); if (search) search.focus(); else navigate("/"); } };
    if (keysOf[event.key]) { event.preventDefault(); keysOf[event.key](); }
  });
  byId("help-button").addEventListener("click", help);
  get("/api/about").then((about) => { byId("where").textContent = [about.stack ? `stack ${about.name}` : about.name, about.endpoint, about.region].filter(Boolean).join(" · "); }).catch((error) => notice(error.message));
  setInterval(() => { for (const each of document.querySelectorAll("[data-since]")) each.textContent = span(since(each.dataset.since, null)); }, 1000);
  render();
})();
