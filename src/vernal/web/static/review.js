// The page of one queue. Whatever is decided is on the server's disk before the next clip is shown.
import { byId, element, fetchJson, post } from "/static/page.js";
import { Player, draw, fetchSound, fetchSpectrogram, line } from "/static/sound.js";

const { queue, reviewer } = byId("review").dataset;
const pageOf = (name) => `/review/queue/${encodeURIComponent(name)}?reviewer=${encodeURIComponent(reviewer)}`;
const address = (kind, item, more = "") => `/review/api/${kind}/${encodeURIComponent(queue)}/${encodeURIComponent(item)}${more}`;
const WORDS = { target: "target", not_target: "not target", unsure: "unsure" };
const KEPT = 24;

const state = { presentations: [], at: 0, isBlind: false, blindIsFixed: false, isGrid: false, prepare: 3, quality: null, callType: null, isSaving: false, neighbour: -1 };
const ready = new Map(); // item -> {facts, spectrogram, neighbours, sounds}
let drawn = null;
let near = []; // pictures of the neighbours on the page: {canvas, spectrogram}
let shownItem = null;

const player = new Player((now) => {
  byId("play-word").textContent = now.isPlaying ? "Stop" : "Play";
  document.body.dataset.playing = now.isPlaying ? now.name : "";
  for (const tile of document.querySelectorAll(".tile")) tile.classList.toggle("sounding", now.isPlaying && tile.dataset.sound === now.name);
  if (now.isPlaying) requestAnimationFrame(follow);
});

const view = () => ({ scale: byId("scale").value, from: Number(byId("from").value), to: Math.max(Number(byId("to").value), Number(byId("from").value) + 100), contrast: Number(byId("contrast").value) });
const current = () => state.presentations[state.at];
const lastDecided = () => state.presentations.filter((look) => look.said).reduce((last, look) => (last && last.said.when > look.said.when ? last : look), null);

function complain(words) {
  const place = byId("problem");
  place.hidden = !words;
  place.textContent = words || "";
}

// Everything a clip needs, asked for once; the following clips are made ready while this one is heard.
function prepare(item) {
  let entry = ready.get(item);
  if (!entry) {
    const blind = state.isBlind ? "?blind=1" : "";
    entry = { facts: fetchJson(address("item", item, blind)), spectrogram: fetchSpectrogram(address("spectrogram", item)), sounds: new Map(), neighbours: null };
    for (const promise of [entry.facts, entry.spectrogram]) promise.catch(() => {});
    ready.set(item, entry);
    while (ready.size > KEPT) ready.delete(ready.keys().next().value);
  }
  return entry;
}

function soundOf(item) {
  const band = byId("filter").checked ? `?low=${Number(byId("low").value)}&high=${Number(byId("high").value)}` : "";
  const { sounds } = prepare(item);
  if (!sounds.has(band)) {
    const sound = fetchSound(address("sound", item, band));
    sound.catch(() => sounds.delete(band));
    sounds.set(band, sound);
  }
  return sounds.get(band);
}

function neighboursOf(item) {
  const entry = prepare(item);
  if (!entry.neighbours) {
    entry.neighbours = fetchJson(address("neighbours", item));
    entry.neighbours.catch(() => {});
  }
  return entry.neighbours;
}

function prepareNext() {
  for (const look of state.presentations.slice(state.at + 1, state.at + 1 + state.prepare)) {
    prepare(look.item);
    soundOf(look.item).catch(() => {});
    neighboursOf(look.item);
  }
}

async function show(index, { play = byId("auto").checked } = {}) {
  if (!state.presentations.length) return;
  state.at = Math.max(0, Math.min(index, state.presentations.length - 1));
  player.stop();
  const look = current();
  shownItem = look.item;
  state.quality = look.said?.quality ?? null;
  state.callType = look.said?.call_type ?? null;
  state.neighbour = -1;
  byId("note").value = look.said?.note ?? "";
  showChoices();
  showProgress();
  if (state.isGrid) showGrid();
  document.body.dataset.ready = "";
  document.body.dataset.item = look.item;
  document.body.dataset.look = look.look;
  try {
    const entry = prepare(look.item);
    const [facts, spectrogram] = await Promise.all([entry.facts, entry.spectrogram]);
    if (shownItem !== look.item) return;
    showFacts(facts);
    drawn = { facts, spectrogram };
    redraw();
    await soundOf(look.item);
    if (shownItem !== look.item) return;
    document.body.dataset.ready = look.item;
    if (play) await hear();
    prepareNext();
    await showNeighbours(look.item);
  } catch (error) {
    if (shownItem !== look.item) return;
    document.body.dataset.ready = "failed";
    complain(`This clip cannot be shown, so nothing can be said of it: ${error.message}`);
    empty();
    prepareNext();
  }
}

// Nothing of another clip may stand beside one that cannot be shown.
function empty() {
  const canvas = byId("spectrogram");
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  byId("facts").replaceChildren();
  byId("neighbours").replaceChildren();
  byId("neighbours").dataset.item = "";
  byId("picture-words").textContent = "";
  [drawn, frame, near] = [null, null, []];
}

let frame = null;
function redraw() {
  if (!drawn) return;
  for (const { canvas, spectrogram } of near) draw(canvas, spectrogram, view(), { band: drawn.facts.band_hz }, { axes: false });
  if (state.isGrid) return;
  const { facts, spectrogram } = drawn, { sound } = facts;
  const clip = [sound.before_s, sound.before_s + sound.clip_s];
  const canvas = byId("spectrogram");
  frame = draw(canvas, spectrogram, view(), { clip, band: facts.band_hz, origin: sound.before_s });
  frame.image = element("canvas", { width: canvas.width, height: canvas.height });
  frame.image.getContext("2d").drawImage(canvas, 0, 0);
}

// The place that is being heard, as a line over the picture.
function follow() {
  if (!frame) return;
  const canvas = byId("spectrogram"), paint = canvas.getContext("2d");
  paint.save();
  paint.setTransform(1, 0, 0, 1, 0, 0);
  paint.clearRect(0, 0, canvas.width, canvas.height);
  paint.drawImage(frame.image, 0, 0);
  paint.restore();
  if (!player.isPlaying || player.name !== "clip") return;
  const x = frame.xOf(player.position());
  paint.strokeStyle = "#ffd166";
  paint.lineWidth = 2;
  line(paint, x, frame.box.y, x, frame.box.y + frame.box.height);
  requestAnimationFrame(follow);
}

async function hear() {
  const { item } = current();
  try {
    const [sound, facts] = await Promise.all([soundOf(item), prepare(item).facts]);
    if (shownItem !== item) return;
    const { before_s: before, clip_s: length } = facts.sound;
    const stretch = byId("context").checked ? {} : { from: before, to: before + length };
    const heard = await player.play(sound, { ...stretch, speed: Number(byId("speed").value), name: "clip" });
    byId("hint").hidden = heard;
  } catch (error) { complain(`This clip cannot be heard: ${error.message}`); }
}

function showProgress() {
  const done = state.presentations.filter((look) => look.said).length;
  byId("bar").max = Math.max(1, state.presentations.length);
  byId("bar").value = done;
  const counted = (word) => state.presentations.filter((look) => look.said?.decision === word).length;
  byId("count").textContent = `${done} of ${state.presentations.length} decided · ${counted("target")} target, ${counted("not_target")} not, ${counted("unsure")} unsure · at ${state.at + 1}`;
  document.body.dataset.done = done;
  byId("undo").disabled = done === 0;
  byId("end").hidden = state.presentations.length === 0 || done < state.presentations.length;
}

const buttonsOf = (name) => document.querySelectorAll({ quality: "[data-quality]", callType: "[data-call-type]", decision: "[data-decision]" }[name]);

function showChoices() {
  const { said } = current();
  const chosen = { quality: state.quality, callType: state.callType, decision: said?.decision };
  for (const [name, value] of Object.entries(chosen)) for (const button of buttonsOf(name)) button.setAttribute("aria-pressed", button.dataset[name] === value);
  byId("said").textContent = said ? `You said: ${[WORDS[said.decision], said.quality && `${said.quality} quality`, said.call_type, said.note].filter(Boolean).join(", ")}` : "";
}

const spelled = (value) => (typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : String(value));

function showFacts(facts) {
  byId("asked").textContent = facts.asked;
  byId("alike").hidden = !facts.can_search;
  const { sound } = facts;
  const rows = [];
  if (!state.isBlind) {
    if (facts.score !== null) rows.push(["score", facts.confidence === null ? facts.score.toFixed(3) : `${facts.score.toFixed(2)} (confidence ${facts.confidence.toFixed(3)})`]);
    rows.push(["model", facts.model], ["why here", facts.reason]);
  }
  rows.push(["recorder", facts.recorder_id], ["site", facts.site], ["night", [facts.date, facts.time].filter(Boolean).join(" ")]);
  rows.push(["recording", facts.recording], ["from", `${(sound.from_s + sound.before_s).toFixed(2)} s, ${sound.clip_s.toFixed(2)} s long`]);
  if (!state.isBlind) rows.push(["label now", [facts.label, facts.quality, facts.call_type].filter(Boolean).join(", ")], ...Object.entries(facts.more));
  const known = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  byId("facts").replaceChildren(...known.flatMap(([name, value]) => [element("dt", {}, name.replaceAll("_", " ")), element("dd", {}, spelled(value))]));
  const around = sound.before_s + sound.after_s;
  byId("picture-words").textContent = (around > 0.05 ? `darker: ${sound.before_s.toFixed(1)} s before and ${sound.after_s.toFixed(1)} s after the clip` : "the clip is its whole recording: there is nothing before and after") + (facts.band_hz ? ` · band of ${facts.asked}: ${facts.band_hz.join("–")} Hz` : "");
  byId("spectrogram").setAttribute("aria-label", `Spectrogram of ${facts.recording}`);
}

async function showNeighbours(item) {
  const place = byId("neighbours");
  if (place.dataset.item === item) return;
  place.dataset.item = item;
  place.replaceChildren();
  near = [];
  const found = await neighboursOf(item).catch((error) => ({ clips: [], reason: error.message }));
  if (shownItem !== item) return;
  if (found.reason) place.textContent = found.reason;
  for (const clip of found.clips) {
    const base = `/review/api/clip/${encodeURIComponent(clip.clips)}/${encodeURIComponent(clip.clip_id)}`;
    const canvas = element("canvas"), small = element("span", { className: "soft" }, `${clip.place} · alike ${clip.similarity.toFixed(2)}`);
    const tile = element("button", { type: "button", className: "tile", ariaLabel: `Play ${clip.label}, ${clip.place}` }, canvas, element("span", {}, clip.label), small);
    Object.assign(tile.dataset, { sound: clip.clip_id, said: clip.is_positive ? "target" : "not_target" });
    let sound = null;
    tile.addEventListener("click", async () => {
      if (player.isPlaying && player.name === clip.clip_id) { player.stop(); return; }
      sound ??= fetchSound(`${base}/sound`);
      await player.play(await sound, { speed: Number(byId("speed").value), name: clip.clip_id }).catch((error) => complain(error.message));
    });
    place.append(tile);
    fetchSpectrogram(`${base}/spectrogram`).then((spectrogram) => {
      if (shownItem !== item || !drawn) return;
      near.push({ canvas, spectrogram });
      draw(canvas, spectrogram, view(), { band: drawn.facts.band_hz }, { axes: false });
    }).catch(() => { small.textContent += " · no picture"; });
  }
}

function hearNeighbour() {
  const tiles = [...byId("neighbours").querySelectorAll(".tile")];
  if (!tiles.length) return;
  state.neighbour = (state.neighbour + 1) % tiles.length;
  tiles[state.neighbour].click();
}

async function decide(decision) {
  const look = current();
  // Not before the clip is there to be seen and heard: a second key pressed too soon is not about it.
  if (!look || state.isSaving || document.body.dataset.ready !== look.item) return;
  if (!reviewer) { complain("Nobody is named as reviewer; go back to Review and give your name."); return; }
  state.isSaving = true;
  const isPositive = decision === "target";
  try {
    const said = await post(`/review/api/decide/${encodeURIComponent(queue)}`, {
      item: look.item, look: look.look, reviewer, decision, is_blind: state.isBlind,
      quality: isPositive ? state.quality : null, call_type: isPositive ? state.callType : null, note: byId("note").value.trim() || null,
    });
    look.said = said;
    complain("");
    const next = nextOpen();
    if (next === null) { await show(state.at, { play: false }); byId("end").focus(); } else await leave(next);
  } catch (error) { complain(`NOT saved: ${error.message}`); }
  state.isSaving = false;
}

// Do not wait for the next clip's sound: the keys work meanwhile.
async function leave(index) { byId("note").blur(); show(index); }

function nextOpen() {
  for (let step = 1; step <= state.presentations.length; step++) {
    const index = (state.at + step) % state.presentations.length;
    if (!state.presentations[index].said) return index;
  }
  return null;
}

async function undo() {
  const look = lastDecided();
  if (!look || state.isSaving) return;
  state.isSaving = true;
  try {
    // Where a clip was decided twice, the word before stands again.
    look.said = (await post("/review/api/undo", { id: look.said.id, reviewer })).said;
    complain("");
    show(state.presentations.indexOf(look));
  } catch (error) { complain(error.message); }
  state.isSaving = false;
}

function choose(name, value) {
  state[name] = state[name] === value ? null : value;
  showChoices();
}

const PER_PAGE = 12;
const columns = () => getComputedStyle(byId("grid")).gridTemplateColumns.split(" ").length;

function showGrid() {
  const grid = byId("grid"), first = Math.floor(state.at / PER_PAGE) * PER_PAGE;
  const key = `${first}/${state.isBlind}`;
  if (grid.dataset.key !== key) {
    grid.dataset.key = key;
    grid.replaceChildren();
    state.presentations.slice(first, first + PER_PAGE).forEach((look, offset) => grid.append(gridTile(look, first + offset)));
  }
  [...grid.children].forEach((tile, offset) => {
    const look = state.presentations[first + offset];
    tile.dataset.said = look.said?.decision ?? "";
    tile.querySelector(".verdict").textContent = look.said ? WORDS[look.said.decision] : "";
    tile.setAttribute("aria-current", first + offset === state.at);
    if (first + offset === state.at) tile.focus({ preventScroll: false });
  });
}

function gridTile(look, index) {
  const canvas = element("canvas"), words = element("span", { className: "soft" }, `${index + 1}`);
  const tile = element("button", { type: "button", className: "tile" }, canvas, element("span", { className: "verdict" }), words);
  tile.addEventListener("click", (event) => { if (event.detail === 0) return; if (state.at === index && player.isPlaying) player.stop(); else show(index, { play: true }); });
  tile.addEventListener("dblclick", () => setGrid(false));
  const entry = prepare(look.item);
  Promise.all([entry.facts, entry.spectrogram]).then(([facts, spectrogram]) => {
    const { before_s: before, clip_s: length } = facts.sound;
    draw(canvas, spectrogram, view(), { clip: [before, before + length], band: facts.band_hz }, { axes: false });
    const score = state.isBlind || facts.score === null ? "" : ` · score ${facts.score.toFixed(2)}`;
    words.textContent = `${index + 1} · ${[facts.recorder_id, facts.date].filter(Boolean).join(" ")}${score}`;
  }).catch((error) => { words.textContent = `${index + 1} · ${error.message}`; });
  return tile;
}

function setGrid(isGrid) {
  state.isGrid = isGrid;
  byId("grid").hidden = !isGrid;
  byId("one").hidden = isGrid;
  byId("mode").firstChild.textContent = isGrid ? "One " : "Grid ";
  if (isGrid) showGrid(); else { redraw(); byId("spectrogram").focus({ preventScroll: true }); }
}

// What was decided elsewhere, on a second page of the same reviewer, while this one was not looked at.
async function catchUp() {
  if (document.visibilityState !== "visible" || state.isSaving || !state.presentations.length) return;
  const told = await fetchState().catch(() => null);
  if (told === null || state.isSaving) return;
  const said = new Map(told.presentations.map((look) => [`${look.item} ${look.look}`, look.said]));
  for (const look of state.presentations) look.said = said.get(`${look.item} ${look.look}`) ?? null;
  showChoices();
  showProgress();
  if (state.isGrid) showGrid();
}

async function setBlind(isBlind) {
  if (state.blindIsFixed) { complain("This server hides the scores from everybody."); return; }
  state.isBlind = isBlind;
  ready.clear();
  byId("grid").dataset.key = "";
  byId("neighbours").dataset.item = "";
  await load();
}

async function alike() {
  const facts = await prepare(current().item).facts.catch(() => null);
  if (!facts) return;
  if (!facts.can_search) { complain("Only clips of the project itself can be searched by; this one is not among them."); return; }
  try {
    const made = await post("/review/api/queues", { like: facts.clip_id, n: 100 });
    location.assign(pageOf(made.queue));
  } catch (error) { complain(error.message); }
}

const fetchState = () => fetchJson(`/review/api/state/${encodeURIComponent(queue)}?reviewer=${encodeURIComponent(reviewer)}${state.isBlind ? "&blind=1" : ""}`);

async function load() {
  try {
    const told = await fetchState();
    state.presentations = told.presentations;
    state.isBlind = told.is_blind;
    state.blindIsFixed = told.blind_is_fixed;
    state.prepare = told.prepare;
    byId("blind").setAttribute("aria-pressed", state.isBlind);
    if (!state.presentations.length) { complain("This queue is empty."); return; }
    const first = state.presentations.findIndex((look) => !look.said);
    await show(first < 0 ? 0 : first);
  } catch (error) { complain(error.message); }
}

function cycle(id, by = 1) {
  const select = byId(id);
  select.selectedIndex = (select.selectedIndex + by + select.options.length) % select.options.length;
  select.dispatchEvent(new Event("change"));
}
function toggle(id) { byId(id).checked = !byId(id).checked; byId(id).dispatchEvent(new Event("change")); }
function turn(id, by) { byId(id).value = Number(byId(id).value) + by; byId(id).dispatchEvent(new Event("input")); }
function toggleHelp() { const keys = byId("keys"); keys.hidden = !keys.hidden; byId("help").setAttribute("aria-expanded", !keys.hidden); }
function playOrStop() { if (player.isPlaying) player.stop(); else hear(); }

const KEYS = {
  y: () => decide("target"), n: () => decide("not_target"), u: () => decide("unsure"), z: undo,
  1: () => choose("quality", "high"), 2: () => choose("quality", "medium"), 3: () => choose("quality", "low"),
  e: () => byId("note").focus(),
  " ": playOrStop, c: () => toggle("context"), f: () => toggle("filter"), s: () => cycle("speed"), m: () => cycle("scale"),
  h: hearNeighbour, l: alike, a: () => toggle("auto"), v: () => setGrid(!state.isGrid), b: () => setBlind(!state.isBlind),
  "[": () => turn("contrast", -5), "]": () => turn("contrast", 5), "?": toggleHelp,
  ArrowLeft: () => show(state.at - 1), ArrowRight: () => show(state.at + 1),
};
for (let digit = 4; digit <= 9; digit++) KEYS[digit] = () => { const button = buttonsOf("callType")[digit - 4]; if (button) choose("callType", button.dataset.callType); };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const here = event.target;
  // Letters mean nothing in a list or a number, so they keep their meaning for the clip.
  const isLetter = /^[a-z?[\]]$/i.test(event.key), isValue = here.matches("select, [type=number]");
  if (isValue ? !isLetter : here.matches("input:not([type=checkbox]):not([type=range]), textarea")) {
    if (here.id === "note" && event.key === "Enter" || event.key === "Escape") { here.blur(); event.preventDefault(); }
    return;
  }
  let action = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  const isButton = here.matches("button, a, summary, [type=checkbox]");
  if (state.isGrid && event.key === "ArrowDown") action = () => show(Math.min(state.at + columns(), state.presentations.length - 1));
  if (state.isGrid && event.key === "ArrowUp") action = () => show(Math.max(0, state.at - columns()));
  if (state.isGrid && event.key === "Enter" && here.closest("#grid")) action = () => setGrid(false);
  if (event.key === " " && isButton && !here.closest("#grid")) return; // a focused button keeps its own key
  if (here.type === "range" && event.key.startsWith("Arrow")) return;
  if (!action) return;
  if (event.repeat && "ynuz".includes(event.key)) return; // a key held down decides once
  event.preventDefault();
  action();
});

for (const button of buttonsOf("decision")) button.addEventListener("click", () => decide(button.dataset.decision));
for (const name of ["quality", "callType"]) for (const button of buttonsOf(name)) button.addEventListener("click", () => choose(name, button.dataset[name]));
for (const [id, action] of [["play", playOrStop], ["undo", undo], ["back", () => show(state.at - 1)], ["on", () => show(state.at + 1)], ["mode", () => setGrid(!state.isGrid)], ["blind", () => setBlind(!state.isBlind)], ["help", toggleHelp], ["alike", alike]]) byId(id).addEventListener("click", action);
byId("spectrogram").addEventListener("click", async (event) => {
  if (!frame || !drawn) return;
  const seconds = ((event.offsetX - frame.box.x) / frame.box.width) * frame.duration;
  const sound = await soundOf(current().item).catch(() => null);
  if (sound && seconds >= 0 && seconds < sound.duration) player.play(sound, { from: seconds, speed: Number(byId("speed").value), name: "clip" });
});
for (const id of ["scale", "from", "to", "contrast"]) {
  for (const kind of ["change", "input"]) byId(id).addEventListener(kind, () => { redraw(); byId("grid").dataset.key = ""; if (state.isGrid) showGrid(); });
}
for (const id of ["context", "speed", "filter", "low", "high"]) byId(id).addEventListener("change", () => { if (player.isPlaying || id !== "context") hear(); });
// A click must not leave the keys on what was clicked: Space would press it again instead of playing.
let isPointing = false;
document.addEventListener("pointerdown", () => { isPointing = true; }, true);
document.addEventListener("keydown", () => { isPointing = false; }, true);
for (const [kind, what] of [["click", "button, [type=checkbox]"], ["change", "select, [type=range]"]]) {
  document.addEventListener(kind, (event) => {
    const clicked = event.target.closest?.(what);
    if (isPointing && clicked && !clicked.closest("#grid")) clicked.blur();
  });
}
document.addEventListener("visibilitychange", catchUp);
window.addEventListener("resize", redraw);
document.addEventListener("themechange", redraw);
load();
