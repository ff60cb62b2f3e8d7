// Shows what changed while a page is looked at: the same page is fetched again, and what is new in it takes the place of what was
// there. Everything works without this; then a page shows the moment at which it was opened.
"use strict";

const PAUSE = 10_000;
const main = document.querySelector("main");

// Somebody who writes, or has something open, is not disturbed.
const busy = () => document.hidden || main.querySelector("details[open], :focus") !== null || getSelection().toString() !== "";

async function look() {
  if (busy()) return;
  const reply = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
  if (!reply.ok) return;
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  const fresh = page.querySelector("main");
  if (fresh === null || busy()) return;
  // What came of the last deed stays until the next page.
  const said = main.querySelector(".said");
  if (said !== null && fresh.querySelector(".said") === null) fresh.querySelector("h1, section")?.after(said.cloneNode(true));
  for (const [here, there] of [[main, fresh], [document.querySelector(".hero"), page.querySelector(".hero")]]) {
    if (here !== null && there !== null && here.innerHTML !== there.innerHTML) here.replaceChildren(...there.childNodes);
  }
  document.title = page.title;
}

if (main !== null) setInterval(() => look().catch(() => {}), PAUSE);
