// Which view is shown: the address says it, so that a view can be shared and reloaded.
import { main } from "./elements.js";
import { notice } from "./server.js";

let draw = () => {};
export const drawnBy = (render) => { draw = render; };
export const navigate = (address, text = "", refused = false) => {
  history.pushState(null, "", address);
  notice(text, refused ? "bad" : "good");
  draw();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
};
