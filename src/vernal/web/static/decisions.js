// Past decisions: hear one again, and correct it; a correction is a further line in the log.
import { byId, post } from "/static/page.js";
import { Player, fetchSound } from "/static/sound.js";

const player = new Player((now) => {
  document.body.dataset.playing = now.isPlaying ? now.name : "";
  for (const button of document.querySelectorAll(".hear")) button.textContent = now.isPlaying && button.closest("tr").dataset.item === now.name ? "■" : "▶";
});

function complain(words) {
  byId("problem").hidden = !words;
  byId("problem").textContent = words;
}

async function hear(row) {
  const { queue, item } = row.dataset;
  if (player.isPlaying && player.name === item) { player.stop(); return; }
  try {
    await player.play(await fetchSound(`/review/api/sound/${encodeURIComponent(queue)}/${encodeURIComponent(item)}`), { name: item });
    complain("");
  } catch (error) { complain(`This clip cannot be heard: ${error.message}`); }
}

async function correct(row) {
  const { queue, item, asked, look, shown, box } = row.dataset, { reviewer } = byId("decisions").dataset;
  const value = (name) => row.querySelector(`[name=${name}]`).value.trim() || null;
  const isPositive = value("decision") === "target";
  try {
    await post(`/review/api/decide/${encodeURIComponent(queue)}`, {
      item, asked, look: Number(look), reviewer, decision: value("decision"), is_blind: shown !== "1", note: value("note"),
      quality: isPositive ? value("quality") : null, call_type: isPositive ? value("call_type") : null,
      box: isPositive && box ? JSON.parse(box) : null,
    });
    if (!isPositive) for (const name of ["quality", "call_type"]) row.querySelector(`[name=${name}]`).value = "";
    if (!isPositive) { delete row.dataset.box; row.querySelector(".box").textContent = ""; }
    row.dataset.saved = value("decision");
    complain("");
  } catch (error) { complain(`NOT saved: ${error.message}`); }
}

byId("decisions")?.addEventListener("click", (event) => { if (event.target.matches(".hear")) hear(event.target.closest("tr")); });
byId("decisions")?.addEventListener("change", (event) => correct(event.target.closest("tr")));
