// Keeps the page as it stands: told by the server at once, or by a look every half minute. The page is
// whole without this.
(() => {
  "use strict";
  const SLOW = 30000, script = document.currentScript;
  let last = null, timer = null, looking = false, again = false;

  const opened = () => [...document.querySelectorAll("details[open]")].map((one) => one.closest("[id]")?.id);

  function show(html) {
    const found = new DOMParser().parseFromString(html, "text/html");
    const now = document.querySelector("main"), next = found.querySelector("main");
    if (!now || !next || now.innerHTML === next.innerHTML) return;
    const open = opened(), focused = document.activeElement?.getAttribute("href");
    now.innerHTML = next.innerHTML;
    for (const id of open) document.getElementById(id)?.querySelector("details")?.setAttribute("open", "");
    if (focused) now.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    const foot = document.querySelector("footer"), newFoot = found.querySelector("footer");
    if (foot && newFoot) foot.innerHTML = newFoot.innerHTML;
    document.title = found.title;
    now.querySelector(".incident")?.classList.add("changed");
    const heading = now.querySelector("h1")?.textContent.trim() ?? "";
    document.getElementById("news").textContent = `The page has changed. ${heading}`;
  }

  async function look() {
    if (looking) { again = true; return; }
    looking = true;
    try {
      const answer = await fetch(location.pathname, { cache: "no-cache", credentials: "omit" });
      if (answer.ok) {
        const html = await answer.text();
        if (html !== last) show(html);
        last = html;
      }
    } catch { /* Away: what is shown stays, and the next look comes by itself. */ }
    looking = false;
    if (again) { again = false; look(); }
  }

  function slowly() {
    if (timer === null) timer = setInterval(() => { if (!document.hidden) look(); }, SLOW);
  }

  const events = script?.dataset.events;
  if (events && "EventSource" in window) {
    const source = new EventSource(events);
    source.addEventListener("changed", look);
    source.addEventListener("open", () => { clearInterval(timer); timer = null; look(); });
    source.addEventListener("error", slowly);
  } else if (location.protocol.startsWith("http")) slowly();
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
})();
