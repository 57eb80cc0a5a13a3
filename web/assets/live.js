// Rows arrive, filters answer while typing, questions are asked in place, times stay true.
// Every page works without it.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
document.documentElement.classList.add("scripted");

const get = async (address, pairs = {}) => {
  const url = new URL(address, location);
  for (const name in pairs) url.searchParams.set(name, pairs[name]);
  const answer = await fetch(url);
  // An ended session answers with the login page.
  if (!answer.ok || answer.redirected) throw answer.status;
  const template = document.createElement("template");
  template.innerHTML = await answer.text();
  return template.content;
};
// Runs a task a little after the last call, and never twice at a time.
const soon = (task, wait) => {
  let timer, busy, again;
  const call = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      if (busy) return (again = true);
      busy = true;
      try { await task(); } catch { /* the next event tries again */ }
      if (again) call();
      busy = again = false;
    }, wait);
  };
  return call;
};

// The same words as the server's.
const relative = (then) => {
  const gap = then - Date.now() / 1000, ahead = gap > 0, s = Math.abs(gap) | 0;
  if (s < 10) return ahead ? "in a moment" : "just now";
  const h = (s / 3600) | 0, m = ((s % 3600) / 60) | 0, d = (h / 24) | 0;
  const length = s < 60 ? `${s} s` : !h ? `${m} min`
    : !d ? (ahead && m ? `${h} h ${m} min` : `${h} h`) : d < 2 ? "1 day" : `${d} days`;
  return ahead ? `in ${length}` : `${length} ago`;
};
const refresh = (root = document) => {
  for (const time of $$("time.rel", root)) {
    const then = Date.parse(time.dateTime) / 1000;
    if (then && time.textContent !== relative(then)) time.textContent = relative(then);
  }
  for (const button of navigator.clipboard ? $$("[data-copy]", root) : []) button.hidden = false;
};
setInterval(refresh, 20000);

// Known rows change in place, new ones come on top or gather behind a button.
const list = (body) => {
  const box = body.closest(".rows-box"), news = $("[data-news]", box), button = document.createElement("button");
  Object.assign(button, { className: "news", hidden: true });
  let waiting = [];
  box.prepend(button);
  const known = (id) => [...waiting, ...body.children].find((row) => row.dataset.id === id);
  const show = () => {
    news.textContent = `${waiting.length} new`;
    for (const row of waiting) row.classList.add("arrived");
    body.prepend(...waiting);
    waiting = [];
    button.hidden = true;
    refresh(body);
  };
  button.onclick = () => { show(); $("a", body).focus(); };
  const arrive = soon(async () => {
    const after = Math.max(0, ...[...waiting, ...body.children].map((row) => row.dataset.position));
    const rows = [...(await get(body.dataset.live, { fragment: "rows", after })).children];
    waiting.unshift(...rows.filter((row) => !known(row.dataset.id)));
    if (!waiting.length) return;
    if (scrollY < 8 && !body.matches(":hover, :focus-within")) return show();
    button.textContent = news.textContent = `${waiting.length} new`;
    button.hidden = false;
  }, 300);
  const change = soon(async () => {
    for (const row of [...(await get(body.dataset.live, { fragment: "rows" })).children]) {
      const old = known(row.dataset.id);
      if (old?.isConnected && !old.matches(":focus-within")) old.replaceWith(row);
    }
    refresh(body);
  }, 900);
  const both = () => { arrive(); change(); };
  return { notice: arrive, delivery: change, open: both, reset: both };
};
// Replaced whole, but not while in use.
const part = (node) => {
  const used = () => node.matches(":hover, :focus-within, :has(input:checked)");
  const again = soon(async () => {
    const fresh = used() || (await get(node.dataset.src, { fragment: node.dataset.part }));
    if (used()) return setTimeout(again, 3000);
    node.replaceChildren(fresh);
    refresh(node);
  }, 900);
  return Object.fromEntries(`${node.dataset.refresh} open reset`.split(" ").map((name) => [name, again]));
};
const watchers = new WeakMap();
const tell = (name) => {
  for (const node of $$("[data-live], [data-refresh]")) {
    if (!watchers.has(node)) watchers.set(node, node.dataset.live ? list(node) : part(node));
    watchers.get(node)[name]?.();
  }
  if ($(`[data-reload-on~="${name}"]`)) location.reload();
};
if ($("[data-live], [data-refresh], [data-reload-on]")) {
  // It resumes by itself; what came before it was open is asked for.
  const stream = new EventSource("/api/v1/stream");
  for (const name of ["notice", "delivery", "counts", "open", "reset"]) stream.addEventListener(name, () => tell(name));
  addEventListener("pagehide", () => stream.close());
}

// Filters: the same GET, in place.
for (const form of $$("form[data-filter]")) {
  form.addEventListener("input", soon(async () => {
    const pairs = [...new FormData(form)].filter(([, value]) => value);
    const address = form.action + (pairs.length ? `?${new URLSearchParams(pairs)}` : "");
    const results = $(form.dataset.filter);
    try { results.replaceChildren(await get(address, { fragment: "results" })); } catch { return form.submit(); }
    if (results.dataset.src) results.dataset.src = address;
    history.replaceState(null, "", address);
    refresh(results);
  }, 300));
}

addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(copy.dataset.copy);
    copy.textContent = "Copied";
  }
  // Questions: the page that asks, in a dialog.
  const link = event.target.closest("a.ask");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  try {
    const dialog = document.createElement("dialog");
    dialog.append($("#ask", await get(link.href)));
    document.body.append(dialog);
    dialog.onclose = () => dialog.remove();
    $(".cancel", dialog).onclick = () => { dialog.close(); return false; };
    dialog.showModal();
  } catch { location.href = link.href; }
});
refresh();
