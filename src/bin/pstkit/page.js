"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const main = document.getElementById("main");
  main.replaceChildren();
  const el = (name, cls, text) => {
    const e = document.createElement(name);
    if (cls) e.className = cls;
    if (text !== undefined && text !== null) { e.textContent = text; e.dir = "auto"; }
    return e;
  };
  const put = (to, ...all) => { all.forEach((e) => to.append(e)); return to; };
  const size = (n) => {
    for (const [k, u] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [1024, "KiB"]]) if (n >= k) return (n / k).toFixed(1) + " " + u;
    return n + " bytes";
  };
  const tip = put(document.body, el("div")).lastElementChild;
  tip.id = "tip";
  const hover = (e, text) => {
    e.addEventListener("mousemove", (m) => {
      tip.textContent = text();
      tip.style.display = "block";
      tip.style.left = Math.min(m.clientX + 14, innerWidth - 300) + "px";
      tip.style.top = m.clientY + 14 + "px";
    });
    e.addEventListener("mouseleave", () => { tip.style.display = "none"; });
  };
  const table = (head, rows) => {
    const t = el("table"), tr = el("tr");
    head.forEach((h) => put(tr, el("th", h.n ? "n" : "", h.t)));
    put(t, put(el("thead"), tr));
    const body = put(t, el("tbody")).lastElementChild;
    rows.forEach((r) => put(body, put(el("tr"), ...r.map((c, i) => (c instanceof Node ? put(el("td"), c) : el("td", head[i].n ? "n" : "", c))))));
    return t;
  };
  const strip = (side) => {
    const total = side.strip.reduce((s, p) => s + p.bytes, 0) || 1, bar = el("div", "strip"), legend = el("div", "legend");
    for (const p of side.strip) {
      const b = el("div", p.kind);
      b.style.width = (100 * p.bytes) / total + "%";
      hover(b, () => p.kind + ": " + size(p.bytes));
      put(bar, b);
      put(legend, put(el("span"), el("i", p.kind), p.kind + " " + size(p.bytes) + " (" + ((100 * p.bytes) / total).toFixed(1) + " %)"));
    }
    return put(el("div"), bar, legend);
  };
  const map = (side) => {
    const grid = el("div", "map");
    side.cells.forEach((c, i) => {
      const e = el("i", c.kind);
      hover(e, () => [side.cell_bytes * i + " to " + side.cell_bytes * (i + 1) + ": " + c.kind, c.owner, ...(c.findings || [])].filter(Boolean).join("\n"));
      put(grid, e);
    });
    const bad = side.cells.map((c, i) => [c, i]).filter(([c]) => c.findings);
    const box = el("div");
    if (bad.length) {
      put(box, el("h3", "", "Damaged places"), put(el("div", "scroll"), table([{ t: "offset", n: 1 }, { t: "owner" }, { t: "what is wrong" }],
        bad.slice(0, 200).map(([c, i]) => ["0x" + (side.cell_bytes * i).toString(16), c.owner || "", c.findings.join("; ")]))));
    }
    return put(box, el("h3", "", "File, first byte to last: a square is " + size(side.cell_bytes)), grid);
  };
  // folders as areas: slices, halved along the longer side
  const tree = (side) => {
    const box = el("div", "tree"), W = 100, H = 100;
    const lay = (list, x, y, w, h) => {
      const stack = [[list, x, y, w, h]];
      while (stack.length) {
        const [l, x, y, w, h] = stack.pop();
        if (!l.length) continue;
        if (l.length === 1) {
          const f = l[0], d = el("div", f.lost ? "lost" : f.partial ? "partial" : "contents", f.path || "(root)");
          Object.assign(d.style, { left: x + "%", top: y + "%", width: w + "%", height: h + "%" });
          hover(d, () => (f.path || "(root)") + "\n" + size(f.bytes) + "\n" + f.whole + " messages whole, " + f.partial + " in part, " + f.lost + " lost");
          put(box, d);
          continue;
        }
        const sum = l.reduce((s, f) => s + f.bytes + 1, 0);
        let half = 0, k = 0;
        while (k < l.length - 1 && (k === 0 || half + l[k].bytes + 1 <= sum / 2)) half += l[k++].bytes + 1;
        const p = half / sum;
        if (w * 3 > h) { stack.push([l.slice(0, k), x, y, w * p, h], [l.slice(k), x + w * p, y, w * (1 - p), h]); }
        else { stack.push([l.slice(0, k), x, y, w, h * p], [l.slice(k), x, y + h * p, w, h * (1 - p)]); }
      }
    };
    lay([...side.folders].sort((a, b) => b.bytes - a.bytes), 0, 0, W, H);
    return box;
  };
  const counts = (side) => table([{ t: "" }, { t: "expected", n: 1 }, { t: "whole", n: 1 }, { t: "in part", n: 1 }, { t: "lost", n: 1 }],
    side.counts.map((c) => [c.name, c.expected, c.ok, c.partial, c.lost]));
  const sides = put(main, el("div", "sides")).lastElementChild;
  for (const side of [data.before, data.after].filter(Boolean)) {
    const s = put(el("section"), el("h2", "", side.title), el("p", "", side.summary), strip(side), counts(side));
    if (side.folders.length) put(s, el("h3", "", "Folders by size"), tree(side));
    put(s, map(side));
    put(sides, s);
  }
  put(main, el("h2", "", "Lost or damaged"));
  if (data.items.length) {
    const filter = put(main, el("input")).lastElementChild, box = put(main, el("div", "scroll")).lastElementChild;
    filter.placeholder = "filter: words in any column";
    const show = () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const fits = (i) => { const t = [i.state, i.date, i.from, i.subject, i.folder, ...i.parts].join(" ").toLowerCase(); return words.every((w) => t.includes(w)); };
      const some = data.items.filter(fits);
      const tag = (i) => el("span", "tag " + i.state, i.state);
      box.replaceChildren(table([{ t: "" }, { t: "date" }, { t: "from" }, { t: "subject" }, { t: "folder" }, { t: "part" }, { t: "bytes missing", n: 1 }],
        some.slice(0, 1000).map((i) => [tag(i), i.date || "", i.from || "", i.subject || "", i.folder, i.parts.join("; "), i.bytes_missing || ""])));
    };
    filter.addEventListener("input", show);
    show();
  } else {
    const now = data.after || data.before;
    const isWhole = now.counts.some((c) => c.expected) && now.counts.every((c) => !c.lost && !c.partial);
    put(main, el("p", "note", isWhole ? "Nothing: every message that the file speaks of is whole." : "No message is known by name: the counts above say what is lost."));
  }
  put(main, el("h2", "", "Largest messages"), table([{ t: "bytes", n: 1 }, { t: "date" }, { t: "from" }, { t: "subject" }, { t: "folder" }],
    data.largest.map((i) => [size(i.bytes), i.date || "", i.from || "", i.subject || "", i.folder])));
  put(main, el("p", "note", data.compact));
  for (const l of data.left_out) put(main, el("p", "note", l));
})();
