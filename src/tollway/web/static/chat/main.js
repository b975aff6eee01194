// @ts-check
/** Begins the chat room, or the guests' playground, in the element that the server made for it. */
import { App } from "./app.js";
import { Choices } from "./choices.js";
import { html } from "./html.js";
import { Room } from "./room.js";
import { Store } from "./store.js";
import { render } from "../vendor/preact.js";

const place = /** @type {HTMLElement} */ (document.getElementById("chat"));
const { root = "", url = "", csrf = "", workspace = "", owner = "guest", models = "", guest } = place.dataset;
const allowed = models.split(" ").filter(Boolean);
const wanted = new URLSearchParams(location.search).getAll("model").slice(0, 6);
const asked = workspace ? `${url}?workspace=${encodeURIComponent(workspace)}` : url;
const room = new Room(
  { root, url: asked, csrf, workspace, guest: guest !== undefined },
  new Store(owner),
  guest === undefined && wanted.length ? wanted : allowed.slice(0, 1),
  allowed,
  new Choices(owner),
  wanted.length > 0 && guest === undefined && !location.hash,
);

let drawing = false;
/** At most once a frame, whatever comes in. */
function draw() {
  if (drawing) return;
  drawing = true;
  const now = () => {
    drawing = false;
    render(html`<${App} room=${room} draw=${draw} />`, place);
  };
  if (document.hidden) setTimeout(now, 50);
  else requestAnimationFrame(now);
}

place.replaceChildren();
draw();
void room.begin(draw);
