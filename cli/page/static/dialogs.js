// Questions before something is changed, help, and commands to copy.
import { byId, fill, make } from "./elements.js";
import { navigate } from "./navigation.js";
import { notice } from "./server.js";

export const dialog = byId("dialog");
export const show = (title, ...children) => {
  fill(dialog, make("h2", { id: "dialog-title" }, title), ...children);
  dialog.showModal();
};
export const ask = (title, text, { label, danger = false, reason = false, command, act }) => {
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
export const help = () => show("Keyboard", make("dl", { class: "help" },
  [["j", "next row"], ["k", "row before"], ["Enter", "open it"], ["/", "search"], ["u", "back to the list"], ["?", "this help"], ["Esc", "close"]]
    .map(([key, text]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)])),
  make("div", { class: "row" }, make("button", { type: "button", onclick: () => dialog.close() }, "Close")));
export const copyable = (command) => make("div", { class: "copy" }, make("code", { tabindex: 0 }, command),
  make("button", { type: "button", onclick: async (event) => { const target = event.currentTarget; await navigator.clipboard.writeText(command); target.textContent = "Copied"; } }, "Copy"));
