// The list of queues: make a new one, and measure agreement when somebody asks.
import { fetchJson, post } from "/static/sound.js";

const byId = (id) => document.getElementById(id);
const name = () => byId("reviewer").value;

byId("make").addEventListener("submit", async (event) => {
  event.preventDefault();
  const told = byId("made");
  told.hidden = false;
  told.className = "notice";
  told.textContent = "Looking …";
  const asked = Object.fromEntries(new FormData(event.target).entries());
  try {
    const made = await post("/review/api/queues", asked);
    location.assign(`/review/queue/${encodeURIComponent(made.queue)}?reviewer=${encodeURIComponent(name())}`);
  } catch (error) {
    told.className = "notice bad";
    told.textContent = error.message;
  }
});

byId("measure").addEventListener("click", async () => {
  const place = byId("agreement");
  place.textContent = "Measuring …";
  try {
    const rows = await fetchJson("/review/api/agreement");
    place.replaceChildren(rows.length ? table(rows) : document.createTextNode("Nothing to compare yet: no clip was heard twice, by two reviewers or by one."));
  } catch (error) {
    place.textContent = error.message;
  }
});

const number = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));

function table(rows) {
  const made = document.createElement("table");
  const head = made.createTHead().insertRow();
  for (const word of ["class", "between", "coefficient", "value", "95 % interval", "clips"]) {
    const cell = document.createElement("th");
    cell.textContent = word;
    head.append(cell);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    const interval = row.low === null ? "too few recordings" : `${number(row.low)} to ${number(row.high)}`;
    for (const text of [row.label, row.between, row.coefficient, number(row.value), interval, row.n_clips]) line.insertCell().textContent = text;
  }
  return made;
}
