// Small helps for the pages of results and sweeps; each page does its work without them too, but for following.
import { byId, element, fetchJson } from "/static/page.js";
import { fetchSpectrogram, draw } from "/static/sound.js";

const form = (values) => ({ method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body: new URLSearchParams(values) });

clips();
builder();
output();

// Clips: spectrograms, those in view first, and keys to go through them.
function clips() {
  const listed = [...document.querySelectorAll(".clip")];
  if (!listed.length) return;
  const waiting = new Set(document.querySelectorAll(".spectrogram"));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) paintOnce(entry.target);
  }, { rootMargin: "300px" });
  for (const canvas of waiting) seen.observe(canvas);
  const paintOnce = async (canvas) => {
    seen.unobserve(canvas);
    if (waiting.delete(canvas)) await paint(canvas);
  };
  // The others one after another: paper shows them all.
  addEventListener("load", async () => { for (const canvas of [...waiting]) await paintOnce(canvas); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select, textarea, button, audio, summary")) return;
    const at = listed.indexOf(document.activeElement);
    if (event.key === "j" || event.key === "k") {
      const next = listed[Math.max(0, Math.min(listed.length - 1, at + (event.key === "j" ? 1 : -1)))];
      next.focus();
      next.scrollIntoView({ block: "nearest" });
    } else if (event.key === " " && at >= 0) {
      event.preventDefault();
      play(listed[at].querySelector("audio"));
    }
  });
  // One sound at a time.
  document.addEventListener("play", (event) => {
    for (const audio of document.querySelectorAll("audio")) if (audio !== event.target) audio.pause();
  }, true);
}

function play(audio) {
  if (!audio.paused) { audio.pause(); return; }
  audio.currentTime = 0;
  audio.play().catch(() => {});
}

async function paint(canvas) {
  try {
    const { spectrogram, top, band } = canvas.dataset;
    draw(canvas, await fetchSpectrogram(spectrogram), { scale: "mel", from: 0, to: Number(top), contrast: 60 }, { band: band?.split(",").map(Number) }, { axes: false });
    canvas.dataset.drawn = "1";
  } catch (error) { canvas.replaceWith(element("small", { className: "wrong" }, error.message)); }
}

// The builder: what the parser says, while one types.
function builder() {
  const fields = byId("builder");
  if (!fields) return;
  let waiting = null, asked = 0;
  for (const add of fields.querySelectorAll(".add")) add.hidden = false;
  fields.addEventListener("click", (event) => {
    const text = event.target.dataset?.add;
    if (text === undefined) return;
    const setting = event.target.closest(".setting");
    const [use, values] = [setting.querySelector("select"), setting.querySelector(".values input")];
    if (use.value === "axis") values.value = values.value.trim() ? `${values.value}, ${text}` : text;
    else { values.value = text; use.value = "one"; }
    changed(event);
  });
  fields.addEventListener("input", changed);
  fields.addEventListener("change", changed);

  function changed(event) {
    const setting = event.target.closest?.(".setting");
    if (setting) {
      const use = setting.querySelector("select"), values = setting.querySelector(".values input");
      if (event.target === use) setting.dataset.chosen = "1";
      else if (event.target === values && !setting.dataset.chosen) use.value = guess(setting, values.value.trim());
      setting.className = `setting ${use.value}`;
      keepOrder();
    }
    byId("in-the-way")?.remove(); // what it shows is not what would be written any more
    clearTimeout(waiting);
    waiting = setTimeout(ask, 250);
  }

  // What a person who only types seems to mean; once chosen, a use stays as it is.
  function guess(setting, text) {
    if (!text) return "default";
    const isMany = setting.dataset.names ? /^\[.*\]\s*,/.test(text) : text.includes(",");
    return isMany ? "axis" : "one";
  }

  function keepOrder() {
    const axes = [...fields.querySelectorAll(".setting")].filter((one) => one.querySelector("select").value === "axis").map((one) => one.dataset.setting);
    const before = byId("order").value.split(/[\s,]+/).filter((name) => axes.includes(name));
    byId("order").value = [...before, ...axes.filter((name) => !before.includes(name))].join(", ");
  }

  async function ask() {
    const mine = ++asked;
    let said;
    try { said = await fetchJson("/sweeps/_check", form(new FormData(fields))); } catch (error) { byId("words").textContent = error.message; return; }
    if (mine !== asked) return; // something was typed since
    for (const place of fields.querySelectorAll(".wrong[id^='problem-']")) {
      const name = place.id.slice("problem-".length), words = said.problems[name] || "";
      if (place.textContent !== words) place.textContent = words;
      const input = name === "stage" ? byId("stage") : fields.querySelector(`[data-setting="${name}"] .values input`);
      input.setAttribute("aria-invalid", words ? "true" : "false");
    }
    byId("words").textContent = said.words;
    byId("size").firstElementChild.textContent = said.size;
    byId("time").textContent = said.time;
    byId("text").textContent = said.text;
    byId("save").disabled = !said.text;
    byId("file").textContent = said.text ? `Goes to ${said.file}${said.exists ? ", which is there already" : ""}.` : "";
    estimate(said);
  }

  function estimate({ parts, source, remarks }) {
    const rows = parts.map(([words, time]) => element("tr", {}, element("th", { scope: "row" }, words), element("td", { className: "number" }, time)));
    const soft = (words) => element("p", { className: "soft" }, words);
    byId("parts").replaceChildren(...(parts.length ? [element("table", { className: "estimate" }, ...rows), ...[`Measured: ${source}.`, ...remarks].map(soft)] : []));
  }
}

// The output of a run, followed.
function output() {
  const place = byId("output");
  if (!place) return;
  place.scrollTop = place.scrollHeight;
  if (place.dataset.running) follow(place, Number(place.dataset.offset));
}

async function follow(place, offset) {
  const { stage, log } = place.dataset;
  let more;
  try {
    more = await fetchJson(`/sweeps/${encodeURIComponent(stage)}/output/text?${new URLSearchParams({ log, offset })}`);
  } catch (error) {
    byId("state").textContent = error.message;
    return;
  }
  if (more.text) {
    const isAtEnd = place.scrollTop + place.clientHeight >= place.scrollHeight - 30;
    place.append(more.text);
    if (isAtEnd) place.scrollTop = place.scrollHeight;
  }
  if (byId("state").textContent !== more.state) byId("state").textContent = more.state;
  byId("stop").hidden = !more.is_running;
  if (more.is_running || more.offset !== offset) setTimeout(() => follow(place, more.offset), 1000);
}
