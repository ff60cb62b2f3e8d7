// Shows what changed while a page is looked at: the same page is fetched again, and what is new in it takes the place of what was
// there. Everything works without this; then a page shows the moment at which it was opened.
"use strict";

const PAUSE = 10_000;
// Whoever has not touched a field for so long has left it.
const WRITING = 60_000;
const FIELDS = "input:not([type=hidden]), select, textarea";
const main = document.querySelector("main");
let seen = new Date();
let touched = 0;

function isChanged(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.tagName !== "SELECT") return field.value !== field.defaultValue;
  return field.selectedIndex !== Math.max(0, [...field.options].findIndex((one) => one.defaultSelected));
}

// Somebody who writes, has written, or has something open, is not disturbed.
function busy() {
  const isWriting = Date.now() - touched < WRITING && document.activeElement.matches(FIELDS);
  return document.hidden || isWriting || main.querySelector("details[open]") !== null
    || getSelection().toString() !== "" || [...main.querySelectorAll(FIELDS)].some(isChanged);
}

// What has the focus, as it is found again in a page that is otherwise new: its kind and name, and which of those it is.
const like = (one) => [one.tagName, one.id, one.getAttribute("href"), one.getAttribute("name"), one.closest("form")?.getAttribute("action")].join("|");
const likes = (place, name) => [...place.querySelectorAll("a, button, summary, input, select, textarea, [tabindex]")].filter((one) => like(one) === name);

function renew(page, fresh) {
  const focus = document.activeElement;
  const held = main !== focus && main.contains(focus) ? [like(focus), likes(main, like(focus)).indexOf(focus)] : null;
  for (const [here, there] of [[main, fresh], [document.querySelector(".hero"), page.querySelector(".hero")]]) {
    if (here !== null && there !== null && here.innerHTML !== there.innerHTML) here.replaceChildren(...there.childNodes);
  }
  document.title = page.title;
  // Whoever goes by keyboard stays where they were; where that is gone, at the beginning of what is there.
  if (held !== null && !main.contains(document.activeElement)) (likes(main, held[0])[held[1]] ?? main).focus({ preventScroll: true });
}

// A page that is not what it was says so, until it is again.
function stale() {
  if (main.querySelector("#stale") !== null) return;
  const words = document.createElement("p");
  words.id = "stale";
  words.className = "said warn";
  words.setAttribute("role", "status");
  words.textContent = `This page cannot be refreshed: it shows what was so on ${seen.toISOString().slice(0, 16).replace("T", ", ")} UTC. It is tried again by itself.`;
  main.prepend(words);
}

async function look() {
  if (busy()) return;
  const reply = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "manual" });
  // Signed out: the server sends whoever asks for this page to where one signs in, and back here afterwards.
  if (reply.type === "opaqueredirect") return location.reload();
  if (!reply.ok) return stale();
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  const fresh = page.querySelector("main");
  if (fresh === null) return stale();
  if (busy()) return;
  main.querySelector("#stale")?.remove();
  // What came of the last deed stays until the next page.
  const said = main.querySelector(".said");
  if (said !== null && fresh.querySelector(".said") === null) fresh.querySelector("h1, section")?.after(said.cloneNode(true));
  renew(page, fresh);
  seen = new Date();
}

if (main !== null) {
  for (const touch of ["focusin", "input", "keydown"]) main.addEventListener(touch, () => { touched = Date.now(); });
  setInterval(() => look().catch(stale), PAUSE);
}
