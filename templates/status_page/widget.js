// One line on another site: how everything stands, and what is open.
//   <script src="https://status.example.com/widget.js" async></script>
// data-show="trouble": nothing while all is well. data-place="corner": fixed at the lower right.
(() => {
  "use strict";
  const script = document.currentScript ?? document.querySelector('script[src$="widget.js"]');
  if (!script) return;
  const root = new URL(".", script.src), { show, place } = script.dataset;
  const COLOURS = { none: "#34b27b", maintenance: "#4a86ea", minor: "#e8ac17", major: "#ee7d2b", critical: "#d8352f" };
  const EVERY = 60000, AWAY = "The status page cannot be reached right now";

  const host = document.createElement("tocsin-status");
  const shadow = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { all: initial; display: inline-block; max-width: 100%; color-scheme: light dark; }
    :host([hidden]) { display: none; }
    :host(.corner) { position: fixed; right: 16px; bottom: 16px; z-index: 2147483000; max-width: min(22rem, calc(100vw - 32px)); }
    .box { box-sizing: border-box; font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif;
      color: #14171c; background: #fff; border: 1px solid #d5d9e1; border-radius: 12px; padding: 8px 14px; overflow-wrap: anywhere; }
    :host(.corner) .box { box-shadow: 0 6px 24px #0000002e; }
    a { color: inherit; text-decoration: none; display: flex; gap: 9px; align-items: baseline; border-radius: 4px; }
    a:hover { text-decoration: underline; }
    a:focus-visible { outline: 3px solid #1d4fb8; outline-offset: 3px; }
    .dot { width: 10px; height: 10px; flex: none; fill: #8a92a0; }
    ul { list-style: none; margin: 6px 0 0; padding: 6px 0 0 19px; border-top: 1px solid #e2e5eb; }
    li + li { margin-top: 6px; }
    li a { display: block; font-weight: 600; }
    small { color: #596170; font-size: 12.5px; }
    @media (prefers-color-scheme: dark) {
      .box { color: #eef0f4; background: #171a20; border-color: #363c48; }
      ul { border-color: #2a2f39; }
      small { color: #a3abb9; }
      a:focus-visible { outline-color: #9dbdff; }
    }
  `);
  shadow.adoptedStyleSheets = [sheet];
  if (place === "corner") host.className = "corner";
  host.hidden = true;

  const make = (name, text) => {
    const node = document.createElement(name);
    if (text) node.textContent = text;
    return node;
  };
  const link = (address) => {
    const node = make("a");
    node.href = /^https?:/.test(address) ? address : root.href;
    node.target = "_blank";
    node.rel = "noopener";
    return node;
  };
  const dot = (colour) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const circle = document.createElementNS(svg.namespaceURI, "circle");
    svg.setAttribute("viewBox", "0 0 10 10");
    svg.setAttribute("class", "dot");
    svg.setAttribute("aria-hidden", "true");
    for (const [key, value] of Object.entries({ cx: 5, cy: 5, r: 5 })) circle.setAttribute(key, value);
    if (colour) circle.setAttribute("fill", colour);
    svg.append(circle);
    return svg;
  };

  const box = make("div");
  box.className = "box";
  box.setAttribute("role", "status");
  box.setAttribute("aria-live", "polite");
  shadow.append(box);

  let shown = "";
  function draw(state) {
    const key = JSON.stringify(state);
    if (key === shown) return;
    shown = key;
    const head = link(state.url);
    head.append(dot(COLOURS[state.indicator]), make("span", state.words));
    box.replaceChildren(head);
    if (state.open.length) {
      const list = make("ul");
      for (const one of state.open) {
        const item = make("li"), name = link(one.url);
        name.textContent = one.name;
        item.append(name, make("small", one.said));
        list.append(item);
      }
      box.append(list);
    }
    host.hidden = show === "trouble" && ["none", "unknown"].includes(state.indicator);
  }

  const word = (text) => text.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
  async function look() {
    try {
      const answer = await fetch(new URL("api/v2/summary.json", root), { credentials: "omit", cache: "no-cache" });
      if (!answer.ok) throw new Error(answer.status);
      const { page, status, incidents, scheduled_maintenances: works } = await answer.json();
      const running = works.filter((one) => one.status === "in_progress");
      draw({
        url: page.url, indicator: status.indicator, words: status.description,
        open: [...incidents, ...running].slice(0, 3).map((one) => ({
          name: one.name, url: one.shortlink, said: word(one.status),
        })),
      });
    } catch {
      draw({ url: root.href, indicator: "unknown", words: AWAY, open: [] });
    }
  }

  const begin = () => {
    script.isConnected && script.closest("body") ? script.after(host) : document.body.append(host);
    look();
    setInterval(() => { if (!document.hidden) look(); }, EVERY);
  };
  document.body ? begin() : addEventListener("DOMContentLoaded", begin);
})();
