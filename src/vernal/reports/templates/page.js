
"use strict";
// Every heading of a table sorts its rows, and a long table has a field that filters them. Without this, tables stay as
// they are written. Rows that belong to the one above them (an empty first cell) keep their order.
const number = (text) => {
  const plain = text.replace(/[,\s%]/g, "");
  return plain === "" || plain === "\u2013" ? NaN : /^[-+]?[\d.]+/.test(plain) ? parseFloat(plain) : null;
};

function sorted(rows, at, isDown) {
  const cells = rows.map((row) => row.cells[at].textContent.trim());
  const numbers = cells.map(number);
  const areNumbers = !numbers.includes(null);
  const compare = (a, b) => {
    if (!areNumbers) return cells[a].localeCompare(cells[b], "en", { numeric: true });
    if (isNaN(numbers[a]) || isNaN(numbers[b])) return (isNaN(numbers[a]) - isNaN(numbers[b])) * (isDown ? -1 : 1);
    return numbers[a] - numbers[b];
  };
  return rows.map((_, place) => place).sort((a, b) => (isDown ? -1 : 1) * compare(a, b) || a - b).map((place) => rows[place]);
}

for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], heads = table.tHead ? [...table.tHead.rows[0].cells] : [];
  const rows = body ? [...body.rows] : [];
  const isPlain = rows.every((row) => row.cells.length === heads.length && row.cells[0].textContent.trim() !== "");
  if (rows.length < 3 || !heads.length || !isPlain || table.tHead.querySelector("a, button")) continue;
  for (const [at, head] of heads.entries()) {
    if (!head.textContent.trim()) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const isDown = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
      body.append(...sorted(rows, at, isDown));
    });
  }
  if (rows.length < 10) continue;
  const field = document.createElement("input");
  field.type = "search";
  field.className = "filter";
  field.placeholder = `Filter ${rows.length} rows`;
  field.setAttribute("aria-label", field.placeholder);
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  });
  (table.closest(".scroll") || table).before(field);
}

// On paper nobody can open a fold: those that answer a question stand open.
const opened = [];
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details.printed:not([open])")) {
    fold.open = true;
    opened.push(fold);
  }
});
addEventListener("afterprint", () => {
  for (const fold of opened.splice(0)) fold.open = false;
});
