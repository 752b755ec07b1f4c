// The list of queues: make a new one, and measure agreement when somebody asks.
import { byId, element, fetchJson, post } from "/static/page.js";

for (const [form, address] of [["make", "/review/api/queues"], ["loop", "/review/api/loops"]]) {
  byId(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    const told = Object.assign(byId("made"), { hidden: false, className: "notice", textContent: "Looking …" });
    event.target.after(told);
    try {
      const made = await post(address, Object.fromEntries(new FormData(event.target)));
      location.assign(`/review/queue/${encodeURIComponent(made.queue)}?reviewer=${encodeURIComponent(byId("reviewer").value)}`);
    } catch (error) { Object.assign(told, { className: "notice bad", textContent: error.message }); }
  });
}

byId("measure").addEventListener("click", async () => {
  const place = byId("agreement");
  place.textContent = "Measuring …";
  try {
    const rows = await fetchJson("/review/api/agreement");
    place.replaceChildren(rows.length ? table(rows) : "Nothing to compare yet: no clip was decided twice, by two reviewers or by one.");
  } catch (error) { place.textContent = error.message; }
});

const number = (value) => value?.toFixed(2) ?? "–";
const interval = (row) => (row.low === null ? "too few recordings" : `${number(row.low)} to ${number(row.high)}`);
const line = (kind, texts) => element("tr", {}, ...texts.map((text) => element(kind, {}, text)));

function table(rows) {
  const head = line("th", ["class", "between", "coefficient", "value", "95 % interval", "clips"]);
  const body = rows.map((row) => line("td", [row.label, row.between, row.coefficient, number(row.value), interval(row), row.n_clips]));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}
