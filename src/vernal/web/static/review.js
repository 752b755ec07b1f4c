// The page of one queue. Whatever is decided is on the server's disk before the next clip is shown.
import { byId, element, fetchJson, post } from "/static/page.js";
import { allSaid, answersOf, asKnown, classes, classOf, focus, inWords, isAll, named, nextCallType, nextQuality, onPage, press, setFocus, showClasses, startingWith, turnPage } from "/static/classes.js";
import { advance, followLoop, isLoop } from "/static/loop.js";
import { BoxEditor, dragBoxes, inSound, sameBox, wordsOf } from "/static/box.js";
import { Player, draw, fetchSound, fetchSpectrogram, line } from "/static/sound.js";

const { queue, reviewer, target } = byId("review").dataset;
const pageOf = (name) => `/review/queue/${encodeURIComponent(name)}?reviewer=${encodeURIComponent(reviewer)}`;
const address = (kind, item, more = "") => `/review/api/${kind}/${encodeURIComponent(queue)}/${encodeURIComponent(item)}${more}`;
const WORDS = { target: "target", not_target: "not target", unsure: "unsure" };
const KEPT = 36;
const PAUSE_MS = 60000; // who was away so long did not listen
const LEAST_SHOWN_S = 0.1;

const state = { presentations: [], at: 0, order: "", isShown: false, isBlind: false, isGrid: false, prepare: 3, quality: null, callType: null, box: null, neighbour: -1, time: null };
const ready = new Map(); // item -> {facts: by whether the score is told, spectrogram, neighbours, sounds}
const marked = new Set(); // looks of the grid that the next decision is about
let together = []; // looks that were decided at once
let drawn = null;
let near = []; // pictures of the neighbours on the page: {canvas, spectrogram}
let shownItem = null;
let isHere = Promise.resolve(false); // whether the current clip came to be seen and heard
let asked = null, bandOf = isAll ? "" : target; // the classes that the call types and the band are set for
const toldOf = new Set(); // items whose score was on this page

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

// Keys and buttons are followed one after another, so that one pressed too soon is about the clip that it comes upon.
let turn = Promise.resolve(), round = 0, waiting = 0, giveUp = () => {};
let isGivenUp = new Promise((resolve) => { giveUp = resolve; });
function inTurn(action) {
  const mine = round;
  waiting += 1;
  tellWaiting();
  turn = turn.then(async () => {
    try { if (mine === round) await action(); } catch (error) { dropWaiting(error.message); }
    waiting -= 1;
    tellWaiting();
  });
  return turn;
}
function tellWaiting() {
  document.body.dataset.waiting = waiting;
  byId("waiting").textContent = waiting > 1 ? `${waiting - 1} more wait for their clips; Esc drops them.` : "";
}
function dropWaiting(reason) {
  const further = waiting - 1;
  round += 1;
  giveUp(false);
  isGivenUp = new Promise((resolve) => { giveUp = resolve; });
  complain([reason, further > 0 && `${further} further ${further === 1 ? "press was" : "presses were"} dropped.`].filter(Boolean).join(" "));
}

// Everything a clip needs, asked for once; the following clips are made ready while this one is heard.
function prepare(item) {
  let entry = ready.get(item);
  if (!entry) {
    entry = { facts: new Map(), spectrogram: fetchSpectrogram(address("spectrogram", item)), sounds: new Map(), neighbours: null };
    entry.spectrogram.catch(() => {});
    ready.set(item, entry);
    while (ready.size > Math.max(KEPT, 3 * state.prepare)) ready.delete(ready.keys().next().value);
  }
  return entry;
}

// What a model or other people said is not even asked for before a decision, unless the reviewer wants to see it.
const tellsScore = (look) => !state.isBlind && (state.isShown || Boolean(look.said));
function factsOf(look) {
  const { facts } = prepare(look.item), told = tellsScore(look);
  if (told) toldOf.add(look.item);
  if (!facts.has(told)) {
    facts.set(told, fetchJson(address("item", look.item, told ? "?shown=1" : "")));
    facts.get(told).catch(() => facts.delete(told));
  }
  return facts.get(told);
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

// Where one confirmed clip settles a night, its others need no decision any more.
const isHeard = (look, name) => (name ? look.said.classes[name]?.decision : look.said.decision) === "target";
// Of a look, the nights that it is queued for: one, or one for each of several classes.
const nightsOf = (look) => (look.night && typeof look.night === "object" ? Object.entries(look.night) : [["", look.night]]);
const settledNights = () => new Set(state.presentations.filter((look) => look.night && look.said)
  .flatMap((look) => nightsOf(look).filter(([name]) => isHeard(look, name)).map(([, night]) => night)));
function openLooks(from = 0, to = state.presentations.length) {
  const settled = settledNights();
  return state.presentations.slice(from, to).filter((look) => !look.said && !nightsOf(look).every(([, night]) => settled.has(night)));
}

function upcoming() {
  const open = openLooks(state.at + 1);
  return open.slice(0, state.prepare);
}

function prepareNext() {
  for (const look of upcoming()) {
    factsOf(look);
    soundOf(look.item).catch(() => {});
  }
  for (const look of upcoming().slice(0, 2)) neighboursOf(look.item);
}

function show(index, { play = byId("auto").checked } = {}) {
  if (!state.presentations.length) return;
  state.at = Math.max(0, Math.min(index, state.presentations.length - 1));
  player.stop();
  const look = current();
  shownItem = look.item;
  state.quality = look.said?.quality ?? null;
  state.callType = look.said?.call_type ?? null;
  state.box = look.said?.box ?? null;
  editor.close();
  state.neighbour = -1;
  state.time = null;
  byId("note").value = look.said?.note ?? "";
  if (isAll) lookAt(null); else showChoices();
  showProgress();
  if (state.isGrid) showGrid();
  document.body.dataset.ready = "";
  document.body.dataset.item = look.item;
  document.body.dataset.look = look.look;
  isHere = bring(look, play);
}

async function bring(look, play) {
  const isCurrent = () => current() === look;
  try {
    const [facts, spectrogram] = await Promise.all([factsOf(look), prepare(look.item).spectrogram]);
    if (!isCurrent()) return false;
    drawn = { look, facts, spectrogram };
    if (!isAll) setFor(facts);
    showFacts(facts, tellsScore(look));
    tellBox();
    redraw();
    if (pressedAt !== null) performance.measure("decision to next clip", { start: pressedAt, end: performance.now() });
    pressedAt = null;
    await soundOf(look.item);
    if (!isCurrent()) return false;
  } catch (error) {
    if (!isCurrent()) return false;
    document.body.dataset.ready = "failed";
    complain(`This clip cannot be played, so it cannot be decided on: ${error.message}`);
    empty();
    prepareNext();
    return false;
  }
  document.body.dataset.ready = look.item;
  prepareNext();
  setTimeout(async () => {
    // A decision that waits needs no sound and no neighbours of this clip.
    if (!isCurrent() || waiting > 1) return;
    if (play) await hear();
    await showNeighbours(look.item);
  });
  return true;
}

// Controls that depend on the class in question, where the clip before asked about another.
function setFor(facts) {
  if (asked === facts.asked) return;
  asked = facts.asked;
  byId("call-types").hidden = !facts.call_types.length;
  byId("call-types").replaceChildren(element("span", { className: "soft" }, "call"), ...facts.call_types.slice(0, 6).map((name, place) => {
    const button = element("button", { type: "button" }, `${name} `, ...(isAll ? [] : [element("kbd", {}, String(place + 4))]));
    button.dataset.callType = name;
    button.addEventListener("click", () => choose("callType", name));
    return button;
  }));
  showChoices();
  if (bandOf === asked) return;
  bandOf = asked;
  [byId("low").value, byId("high").value] = facts.band_hz ?? [0, 15000];
  if (!isAll) byId("to").value = facts.top_hz;
}

// Of several classes, the one that was pressed last has the band, the quality and the call types.
const NO_CLASS = { name: "", band_hz: null, call_types: [] };
function lookAt(name) {
  setFocus(name);
  editor.close();
  const one = classOf(name) ?? NO_CLASS;
  setFor({ ...one, asked: one.name });
  showChoices();
  if (drawn && document.body.dataset.ready === current().item) { tellPicture(); tellBox(); redraw(); }
}
const bandNow = () => (isAll ? classOf(focus)?.band_hz ?? null : drawn.facts.band_hz);

// Nothing of another clip may stand beside one that cannot be shown.
function empty() {
  const canvas = byId("spectrogram");
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  byId("facts").replaceChildren();
  byId("neighbours").replaceChildren();
  byId("neighbours").dataset.item = "";
  byId("picture-words").textContent = "";
  [drawn, frame, near] = [null, null, []];
  tellBox();
}

let frame = null;
function redraw() {
  if (!drawn) return;
  for (const { canvas, spectrogram } of near) draw(canvas, spectrogram, view(), { band: bandNow() }, { axes: false });
  if (state.isGrid) return;
  const { facts, spectrogram } = drawn, { sound } = facts;
  const clip = [sound.before_s, sound.before_s + sound.clip_s];
  const canvas = byId("spectrogram");
  frame = draw(canvas, spectrogram, { ...view(), time: state.time }, { clip, band: bandNow(), call: inSound(boxNow(), sound), origin: sound.before_s });
  frame.image = element("canvas", { width: canvas.width, height: canvas.height });
  frame.image.getContext("2d").drawImage(canvas, 0, 0);
}

// The box around the call, of the class pressed last where several are asked for; times are the recording's.
const isSeen = () => Boolean(frame && !state.isGrid && drawn?.look === current());
const boxNow = () => (drawn?.look !== current() ? null : isAll ? answersOf(current())[focus]?.box : state.box) ?? null;
function setBox(box) {
  if (isAll) answersOf(current())[focus].box = box; else state.box = box;
  tellBox();
  redraw();
}
function tellBox() {
  const box = boxNow();
  byId("box-words").textContent = box ? wordsOf(box, drawn.facts.sound) : "";
  byId("no-box").hidden = !box;
}
function canHaveBox() {
  if (!isSeen()) return false;
  const isMissing = isAll && answersOf(current())[focus]?.decision !== "target";
  if (isMissing) complain("Press the number of a class that is there first.");
  return !isMissing;
}
const editor = new BoxEditor({
  get: boxNow, set: setBox, keep: () => inTurn(() => (isAll ? amendClass(focus) : amend())),
  view: () => ({ facts: drawn.facts, frame, band: bandNow() }),
  onChange: (isOpen) => {
    byId("box").setAttribute("aria-pressed", isOpen);
    byId("box-hint").hidden = !isOpen;
    byId("spectrogram").setAttribute("role", isOpen ? "application" : "img"); // so that a screen reader leaves the arrows to it
  },
});
function toggleBox() {
  if (editor.isOpen) { editor.end(); return; }
  if (!canHaveBox()) return;
  editor.open();
  byId("spectrogram").focus({ preventScroll: true });
}
function dropBox() { if (isSeen() && boxNow()) editor.remove(); }

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
  if (x >= frame.box.x) line(paint, x, frame.box.y, x, frame.box.y + frame.box.height);
  requestAnimationFrame(follow);
}

// What is heard: what is seen of the clip, of its surroundings too where they are wanted.
function stretch(facts) {
  const { before_s: before, clip_s: length, after_s: after } = facts.sound;
  const [from, to] = byId("context").checked ? [0, before + length + after] : [before, before + length];
  const [first, last] = state.time ?? [from, to];
  const seen = { from: Math.max(from, first), to: Math.min(to, last) };
  return seen.to - seen.from > 0.02 ? seen : { from: first, to: last };
}

async function hear(from = null) {
  const look = current();
  try {
    const [sound, facts] = await Promise.all([soundOf(look.item), factsOf(look)]);
    if (current() !== look) return;
    const part = stretch(facts);
    if (from !== null) Object.assign(part, { from, to: from < part.to ? part.to : sound.duration });
    const heard = await player.play(sound, { ...part, speed: Number(byId("speed").value), name: "clip", loops: byId("loop").checked });
    byId("hint").hidden = heard;
  } catch (error) { complain(`This clip cannot be heard: ${error.message}`); }
}

// Zoom by a factor about the middle of what is seen of the clip, or move by a share of it.
function zoom(factor, by = 0) {
  if (!frame || state.isGrid) return;
  const { sound } = drawn.facts, clip = [sound.before_s, sound.before_s + sound.clip_s];
  const [first, last] = state.time ?? (factor < 1 ? clip : [0, frame.duration]);
  const length = Math.min(frame.duration, Math.max(LEAST_SHOWN_S, (last - first) * factor));
  const middle = (first + last) / 2 + by * (last - first);
  const from = Math.max(0, Math.min(frame.duration - length, middle - length / 2));
  state.time = length >= frame.duration ? null : [from, from + length];
  document.body.dataset.time = state.time ? state.time.map((seconds) => seconds.toFixed(3)).join(" ") : "";
  redraw();
  if (player.isPlaying && player.loops) hear();
}

let pressedAt = null;
const decidedAt = [];
function pace() {
  const gaps = decidedAt.slice(1).map((at, place) => at - decidedAt[place]).filter((gap) => gap < PAUSE_MS).slice(-30);
  if (gaps.length < 3) return "";
  const each = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const left = openLooks().length;
  const minutes = Math.ceil((left * each) / 60000);
  return ` · ${Math.max(1, Math.round(60000 / each))} a minute${left ? `, about ${minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`} left` : ""}`;
}

function showProgress() {
  const done = state.presentations.filter((look) => look.said).length;
  byId("bar").max = Math.max(1, state.presentations.length);
  byId("bar").value = done;
  const counted = (word) => state.presentations.filter((look) => look.said?.decision === word).length;
  const [there, not] = isAll ? ["with a class", "with none"] : ["target", "not"];
  byId("count").textContent = `${done} of ${state.presentations.length} decided · ${counted("target")} ${there}, ${counted("not_target")} ${not}, ${counted("unsure")} unsure · at ${state.at + 1}`;
  byId("pace").textContent = pace();
  document.body.dataset.done = done;
  byId("undo").disabled = done === 0;
  byId("end").hidden = state.presentations.length === 0 || openLooks().length > 0;
}

const buttonsOf = (name) => document.querySelectorAll({ quality: "[data-quality]", callType: "[data-call-type]", decision: "[data-decision]" }[name]);

function showChoices() {
  if (isAll) { showAllChoices(); return; }
  const { said } = current();
  const chosen = { quality: state.quality, callType: state.callType, decision: said?.decision };
  for (const [name, value] of Object.entries(chosen)) for (const button of buttonsOf(name)) button.setAttribute("aria-pressed", button.dataset[name] === value);
  byId("said").textContent = said ? `You said: ${[WORDS[said.decision], said.quality && `${said.quality} quality`, said.call_type, said.box && "with a box", said.note].filter(Boolean).join(", ")}` : "";
}

function showAllChoices() {
  const look = current(), { said } = look, answer = answersOf(look)[focus];
  showClasses(look, pressClass);
  const isThere = answer?.decision === "target";
  byId("qualities").hidden = !isThere;
  byId("call-types").hidden = !isThere || !classOf(focus).call_types.length;
  byId("of-class").textContent = `quality of ${focus}`;
  for (const button of buttonsOf("quality")) button.setAttribute("aria-pressed", button.dataset.quality === answer?.quality);
  for (const button of buttonsOf("callType")) button.setAttribute("aria-pressed", button.dataset.callType === answer?.call_type);
  byId("said").textContent = said ? `You said: ${[inWords(said.classes), said.note].filter(Boolean).join(", ")}` : "";
}

const scoreWords = ({ score, confidence }) => (confidence === null ? score.toFixed(3) : `${score.toFixed(2)} (confidence ${confidence.toFixed(3)})`);

function showFacts(facts, isTold) {
  if (!isAll) byId("asked").textContent = facts.asked;
  byId("alike").hidden = !facts.can_search;
  document.body.dataset.told = isTold;
  const { sound } = facts;
  const rows = [];
  if (isTold && isAll) {
    for (const own of facts.scores) rows.push([`score of ${own.asked}`, own.score === null ? null : scoreWords(own)]);
    rows.push(["model", facts.model]);
  } else if (isTold) {
    if (facts.score !== null) rows.push(["score", scoreWords(facts)]);
    rows.push(["model", facts.model], ["why here", facts.reason]);
  }
  rows.push(["recorder", facts.recorder_id], ["site", facts.site], ["night", [facts.date, facts.time].filter(Boolean).join(" ")]);
  rows.push(["recording", facts.recording], ["from", `${(sound.from_s + sound.before_s).toFixed(2)} s, ${sound.clip_s.toFixed(2)} s long`]);
  if (isTold && !isAll) rows.push(["label now", [facts.label, facts.quality, facts.call_type].filter(Boolean).join(", ")], ...Object.entries(facts.more));
  const known = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  byId("facts").replaceChildren(...known.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]));
  tellPicture();
  byId("spectrogram").setAttribute("aria-label", `Spectrogram of ${facts.recording}`);
}

function tellPicture() {
  const { sound, asked: one } = drawn.facts, band = bandNow();
  const around = sound.before_s + sound.after_s;
  byId("picture-words").textContent = (around > 0.05 ? `darker: ${sound.before_s.toFixed(1)} s before and ${sound.after_s.toFixed(1)} s after the clip` : "the clip is its whole recording: there is nothing before and after") + (band ? ` · band of ${isAll ? focus : one}: ${band.join("–")} Hz` : "");
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
    const canvas = element("canvas"), small = element("span", { className: "soft" }, `${clip.place} · similarity ${clip.similarity.toFixed(2)}`);
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
      draw(canvas, spectrogram, view(), { band: bandNow() }, { axes: false });
    }).catch(() => { small.textContent += " · no picture"; });
  }
}

function hearNeighbour() {
  const tiles = [...byId("neighbours").querySelectorAll(".tile")];
  if (!tiles.length) return;
  state.neighbour = (state.neighbour + 1) % tiles.length;
  tiles[state.neighbour].click();
}

// Say something of one look; it is on the server's disk when this is done.
async function save(look, decision, chosen, isBlind = !toldOf.has(look.item)) {
  const { quality, callType, box, note, answers } = chosen, isPositive = decision === "target";
  const what = isAll ? { classes: allSaid(answers, decision) } : { decision, quality: isPositive ? quality : null, call_type: isPositive ? callType : null, box: isPositive ? box : null };
  const said = await send(look, { ...what, note: note || null, is_blind: isBlind });
  if (isAll) asKnown(look, said); else look.said = said;
}
async function send(look, what) {
  if (!reviewer) throw new Error("Nobody is named as reviewer; go back to Review and give your name.");
  try {
    return await post(`/review/api/decide/${encodeURIComponent(queue)}`, { item: look.item, look: look.look, reviewer, ...what });
  } catch (error) { throw new Error(`NOT saved: ${error.message}`); }
}
const choices = () => ({ quality: state.quality, callType: state.callType, box: state.box, note: byId("note").value.trim(), answers: isAll ? { ...answersOf(current()) } : null });

function decide(decision, { needsClass = false } = {}) {
  const at = performance.now();
  return inTurn(async () => {
    if (!current()) return;
    if (needsClass && named(answersOf(current()), "not_target").length === classes.length) {
      complain("Press the number of what is in it first; n says that none of them is.");
      return;
    }
    if (state.isGrid && marked.size) { await decideMarked(decision); return; }
    // Not before the clip is there to be seen and heard: the decision is about what is on the screen now.
    const look = current();
    if (!await Promise.race([isHere, isGivenUp])) {
      if (document.body.dataset.ready === "failed") dropWaiting(byId("problem").textContent);
      return;
    }
    complain("");
    await save(look, decision, choices());
    together = [look];
    countDecision();
    pressedAt = at;
    await goOn();
  });
}

function countDecision() { decidedAt.push(performance.now()); }

async function decideMarked(decision) {
  const looks = state.presentations.filter((look) => marked.has(look)), chosen = choices();
  together = [];
  // Only what has a picture on the page can be decided on together.
  await Promise.all(looks.map((look) => prepare(look.item).spectrogram));
  complain("");
  for (const look of looks) {
    await save(look, decision, { ...chosen, box: null, note: "" });
    marked.delete(look);
    together.push(look);
    countDecision();
  }
  await goOn();
}

async function goOn() {
  byId("note").blur();
  const next = nextOpen();
  if (next !== null) { show(next); return; }
  if (isLoop && await advance(queue)) { await load(); return; }
  show(state.at, { play: false });
  byId("end").focus();
}

function nextOpen() {
  const open = new Set(openLooks());
  for (let step = 1; step <= state.presentations.length; step++) {
    const index = (state.at + step) % state.presentations.length;
    if (open.has(state.presentations[index])) return index;
  }
  return null;
}

const undo = () => inTurn(async () => {
  const last = lastDecided();
  if (!last) return;
  const looks = together.includes(last) ? together.filter((look) => look.said).reverse() : [last];
  together = [];
  complain("");
  // Where a clip was decided twice, the word before stands again.
  for (const look of looks) {
    const { said } = await post("/review/api/undo", { id: look.said.id, reviewer });
    if (isAll) asKnown(look, said); else look.said = said;
  }
  show(state.presentations.indexOf(looks.at(-1)));
});

// A class of several is pressed; of a clip that is decided on, it is said at once.
const pressClass = (name) => inTurn(async () => {
  if (!current() || !name) return;
  press(answersOf(current()), name);
  lookAt(name);
  await amendClass(name, !toldOf.has(current().item)); // whoever says it anew may have seen the score by now
});

const chooseOfClass = (key, valueOf) => inTurn(async () => {
  const answer = current() && answersOf(current())[focus];
  if (answer?.decision !== "target") { complain("Press the number of a class that is there first."); return; }
  const value = valueOf(answer);
  answer[key] = answer[key] === value ? null : value;
  complain("");
  showChoices();
  await amendClass(focus);
});

async function amendClass(name, isBlind = !current().said?.is_score_shown) {
  const look = current(), answer = answersOf(look)[name];
  if (!look.said) return;
  complain("");
  const said = await send(look, { classes: { [name]: answer }, note: look.said.note, is_blind: isBlind }).catch((error) => {
    look.answers = null; // what is not saved is not shown as said
    showChoices();
    tellBox();
    redraw();
    throw error;
  });
  const merged = { ...look.said.classes, ...said.classes };
  const decision = ["target", "unsure"].find((word) => named(merged, word).length) ?? "not_target";
  asKnown(look, { ...look.said, id: said.id, when: said.when, classes: merged, decision });
  together = [];
  showChoices();
  showProgress();
  if (state.isGrid) showGrid({ takesFocus: false });
}

// Of a clip that is decided on, quality and call type are said at once.
const choose = (name, value) => (isAll ? chooseOfClass(name === "quality" ? "quality" : "call_type", () => value) : chooseOfOne(name, value));
const chooseOfOne = (name, value) => inTurn(async () => {
  if (!current()) return;
  state[name] = state[name] === value ? null : value;
  showChoices();
  await amend();
});

async function amend() {
  const look = current(), { said } = look, now = choices();
  if (!said) return;
  if (isAll) {
    if ((said.note ?? "") !== now.note) { await save(look, "not_target", now, !said.is_score_shown); together = []; showChoices(); }
    return;
  }
  if (said.decision !== "target" && (now.quality || now.callType || now.box)) {
    [state.quality, state.callType] = [null, null];
    setBox(null);
    showChoices();
    complain("Quality, call type and box are those of the target; this clip is decided otherwise.");
    return;
  }
  if (said.quality === now.quality && said.call_type === now.callType && sameBox(said.box, now.box) && (said.note ?? "") === now.note) return;
  complain("");
  await save(look, said.decision, now, !said.is_score_shown); // the decision itself is as old as it was
  together = [];
  showChoices();
  showProgress();
}

const move = (index) => inTurn(async () => show(index()));

const verdictOf = (said) => (isAll && named(said.classes, "target").join(", ")) || (isAll && said.decision === "not_target" ? "none" : WORDS[said.decision]);
const PER_PAGE = 12;
const columns = () => getComputedStyle(byId("grid")).gridTemplateColumns.split(" ").length;
const firstOfPage = () => Math.floor(state.at / PER_PAGE) * PER_PAGE;

function showGrid({ takesFocus = true } = {}) {
  const grid = byId("grid"), first = firstOfPage();
  const key = `${first}/${state.isShown}/${state.order}`;
  if (grid.dataset.key !== key) {
    grid.dataset.key = key;
    grid.replaceChildren();
    state.presentations.slice(first, first + PER_PAGE).forEach((look, offset) => grid.append(gridTile(look, first + offset)));
  }
  [...grid.children].forEach((cell, offset) => {
    const look = state.presentations[first + offset], tile = cell.firstChild, mark = cell.lastChild;
    tile.dataset.said = look.said?.decision ?? "";
    tile.querySelector(".verdict").textContent = look.said ? verdictOf(look.said) : "";
    tile.setAttribute("aria-current", first + offset === state.at);
    mark.setAttribute("aria-pressed", marked.has(look));
    if (takesFocus && first + offset === state.at) tile.focus({ preventScroll: false });
  });
  byId("marks").textContent = marked.size ? `${marked.size} marked: the next decision is about all of them` : "";
}

function gridTile(look, index) {
  const canvas = element("canvas"), words = element("span", { className: "soft" }, `${index + 1}`);
  const tile = element("button", { type: "button", className: "tile" }, canvas, element("span", { className: "verdict" }), words);
  tile.addEventListener("click", (event) => { if (event.detail === 0) return; if (state.at === index && player.isPlaying) player.stop(); else inTurn(async () => show(index, { play: true })); });
  tile.addEventListener("dblclick", () => setGrid(false));
  const mark = element("button", { type: "button", className: "mark", ariaLabel: `Mark clip ${index + 1}` }, "✓");
  mark.addEventListener("click", () => toggleMark(look));
  Promise.all([factsOf(look), prepare(look.item).spectrogram]).then(([facts, spectrogram]) => {
    const { before_s: before, clip_s: length } = facts.sound;
    draw(canvas, spectrogram, view(), { clip: [before, before + length], band: isAll ? null : facts.band_hz }, { axes: false });
    const score = !state.isShown || facts.score === null || facts.score === undefined ? "" : ` · score ${facts.score.toFixed(2)}`;
    words.textContent = `${index + 1} · ${[facts.recorder_id, facts.date].filter(Boolean).join(" ")}${score}`;
  }).catch((error) => { words.textContent = `${index + 1} · ${error.message}`; mark.disabled = true; });
  return element("div", { className: "cell" }, tile, mark);
}

function toggleMark(look) {
  if (!state.isGrid) return;
  if (!marked.delete(look)) marked.add(look);
  showGrid({ takesFocus: false });
}

// All that are open on this page of the grid; or none, where all are marked.
function markOpen() {
  if (!state.isGrid) return;
  const open = openLooks(firstOfPage(), firstOfPage() + PER_PAGE);
  const isAll = open.every((look) => marked.has(look));
  for (const look of open) if (isAll) marked.delete(look); else marked.add(look);
  showGrid({ takesFocus: false });
}

function dropMarks() {
  marked.clear();
  if (state.isGrid) showGrid({ takesFocus: false });
}

function setGrid(isGrid) {
  state.isGrid = isGrid;
  byId("many").hidden = !isGrid;
  byId("one").hidden = isGrid;
  byId("mode").firstChild.textContent = isGrid ? "One " : "Grid ";
  byId("mode").setAttribute("aria-pressed", isGrid);
  marked.clear();
  if (isGrid) showGrid(); else { redraw(); byId("spectrogram").focus({ preventScroll: true }); }
}

// What was decided elsewhere, on a second page of the same reviewer, while this one was not looked at.
async function catchUp() {
  if (document.visibilityState !== "visible" || waiting || !state.presentations.length) return;
  const told = await fetchState().catch(() => null);
  if (told === null || waiting) return;
  const said = new Map(told.presentations.map((look) => [`${look.item} ${look.look}`, look.said]));
  for (const look of state.presentations) {
    const now = said.get(`${look.item} ${look.look}`) ?? null;
    if (isAll) asKnown(look, now); else look.said = now;
  }
  showChoices();
  showProgress();
  if (state.isGrid) showGrid();
}

const setShown = (isShown) => inTurn(async () => {
  if (state.isBlind) { complain("Scores stay hidden in this queue."); return; }
  state.isShown = isShown;
  byId("reveal").setAttribute("aria-pressed", isShown);
  show(state.at, { play: false });
});

async function alike() {
  const facts = await factsOf(current()).catch(() => null);
  if (!facts) return;
  if (!facts.can_search) { complain("Only clips of the project itself can be searched by; this one is not among them."); return; }
  try {
    const made = await post("/review/api/queues", { like: facts.clip_id, n: 100 });
    location.assign(pageOf(made.queue));
  } catch (error) { complain(error.message); }
}

const fetchState = () => fetchJson(`/review/api/state/${encodeURIComponent(queue)}?reviewer=${encodeURIComponent(reviewer)}&order=${encodeURIComponent(state.order)}`);

async function load() {
  try {
    const told = await fetchState();
    state.presentations = told.presentations;
    if (isAll) for (const look of state.presentations) asKnown(look, look.said);
    state.order = told.order;
    state.isBlind = told.is_blind;
    state.prepare = told.prepare;
    byId("order").value = told.order;
    byId("reveal").hidden = state.isBlind;
    dropMarks();
    if (!state.presentations.length) { complain("This queue is empty."); return; }
    const wanted = new URLSearchParams(location.search).get("item");
    const first = openLooks()[0];
    const at = state.presentations.findIndex((look) => (wanted ? look.item === wanted : look === first));
    show(at < 0 ? 0 : at);
  } catch (error) { complain(error.message); }
}

function setOrder() {
  state.order = byId("order").value;
  const here = new URL(location);
  here.searchParams.set("order", state.order);
  here.searchParams.delete("item");
  history.replaceState(null, "", here);
  inTurn(load);
}

function cycle(id, by = 1, goesRound = true) {
  const select = byId(id), n = select.options.length;
  select.selectedIndex = goesRound ? (select.selectedIndex + by + n) % n : Math.max(0, Math.min(n - 1, select.selectedIndex + by));
  select.dispatchEvent(new Event("change"));
}
function toggle(id) { byId(id).checked = !byId(id).checked; byId(id).dispatchEvent(new Event("change")); }
function turnBy(id, by) { byId(id).value = Number(byId(id).value) + by; byId(id).dispatchEvent(new Event("input")); }
function toggleHelp() { const keys = byId("keys"); keys.hidden = !keys.hidden; byId("help").setAttribute("aria-expanded", !keys.hidden); }
function playOrStop() { if (player.isPlaying) player.stop(); else hear(); }
function escape() {
  if (waiting) dropWaiting("What waited for its clip was dropped.");
  dropMarks();
}

const KEYS = {
  y: () => decide("target"), n: () => decide("not_target"), u: () => decide("unsure"), z: undo,
  1: () => choose("quality", "high"), 2: () => choose("quality", "medium"), 3: () => choose("quality", "low"),
  e: () => byId("note").focus(),
  " ": playOrStop, c: () => toggle("context"), o: () => toggle("loop"), f: () => toggle("filter"),
  s: () => cycle("speed", -1, false), d: () => cycle("speed", 1, false), m: () => cycle("scale"),
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), ",": () => zoom(1, -0.5), ".": () => zoom(1, 0.5),
  h: hearNeighbour, l: alike, a: () => toggle("auto"), v: () => setGrid(!state.isGrid), b: () => setShown(!state.isShown),
  x: () => toggleMark(current()), r: markOpen, Escape: escape,
  w: toggleBox, Delete: dropBox,
  "[": () => turnBy("contrast", -5), "]": () => turnBy("contrast", 5), "?": toggleHelp,
  ArrowLeft: () => move(() => state.at - 1), ArrowRight: () => move(() => state.at + 1),
};
const callTypeKeys = () => { for (let digit = 4; digit <= 9; digit++) KEYS[digit] = () => { const button = buttonsOf("callType")[digit - 4]; if (button) choose("callType", button.dataset.callType); }; };
function classKeys() {
  for (let digit = 1; digit <= 9; digit++) KEYS[digit] = () => pressClass(onPage(digit - 1));
  Object.assign(KEYS, {
    y: () => decide("not_target", { needsClass: true }), q: () => chooseOfClass("quality", nextQuality), t: () => chooseOfClass("call_type", (answer) => nextCallType(answer, focus)),
    p: () => { turnPage(); showChoices(); }, g: () => { if (!byId("class-pages").hidden) byId("class-name").focus(); }, Enter: () => decide("not_target"),
  });
  for (const button of document.querySelectorAll("[data-rest]")) button.addEventListener("click", () => decide(button.dataset.rest));
  byId("class-page").addEventListener("click", KEYS.p);
  const typed = byId("class-name"), tellMatch = () => { byId("class-match").textContent = typed.value ? startingWith(typed.value) ?? "no such class" : ""; };
  typed.addEventListener("input", tellMatch);
  typed.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    pressClass(startingWith(typed.value));
    typed.value = "";
    tellMatch();
    typed.blur();
  });
}
if (isAll) { KEYS.n = () => decide("not_target"); classKeys(); } else callTypeKeys();

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const here = event.target;
  // Letters mean nothing in a list or a number, so they keep their meaning for the clip.
  const isLetter = /^[a-z?[\]]$/i.test(event.key), isValue = here.matches("select, [type=number]");
  if (isValue ? !isLetter : here.matches("input:not([type=checkbox]):not([type=range]), textarea")) {
    if (here.id === "note" && event.key === "Enter" || event.key === "Escape") { here.blur(); event.preventDefault(); }
    return;
  }
  if (editor.isOpen && here.type !== "range" && !(event.key === "Enter" && here.matches("button, a, summary")) && editor.press(event)) {
    event.preventDefault();
    return;
  }
  let action = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  const isButton = here.matches("button, a, summary, [type=checkbox]");
  if (state.isGrid && event.key === "ArrowDown") action = () => move(() => Math.min(state.at + columns(), state.presentations.length - 1));
  if (state.isGrid && event.key === "ArrowUp") action = () => move(() => Math.max(0, state.at - columns()));
  if (state.isGrid && event.key === "Enter" && here.closest(".tile")) action = () => setGrid(false);
  if (event.key === " " && isButton && !here.closest("#grid .tile")) return; // a focused button keeps its own key
  if (event.key === "Enter" && isButton && !here.closest("#grid .tile")) return;
  if (here.type === "range" && event.key.startsWith("Arrow")) return;
  if (!action) return;
  if (event.repeat && (isAll ? "ynuzxwqt123456789Enter" : "ynuzxw").includes(event.key)) return; // a key held down decides once
  event.preventDefault();
  action();
});

for (const button of buttonsOf("decision")) button.addEventListener("click", () => decide(button.dataset.decision));
for (const button of buttonsOf("quality")) button.addEventListener("click", () => choose("quality", button.dataset.quality));
byId("note").addEventListener("change", () => { if (current()?.said) inTurn(amend); });
for (const [id, action] of [
  ["play", playOrStop], ["undo", undo], ["back", KEYS.ArrowLeft], ["on", KEYS.ArrowRight], ["mode", KEYS.v], ["reveal", KEYS.b], ["help", toggleHelp], ["alike", alike],
  ["closer", KEYS["+"]], ["further", KEYS["-"]], ["earlier", KEYS[","]], ["later", KEYS["."]], ["mark-open", markOpen], ["box", toggleBox], ["no-box", dropBox],
]) byId(id).addEventListener("click", action);
byId("order").addEventListener("change", setOrder);
const wasDragged = dragBoxes(byId("spectrogram"), editor, canHaveBox, complain);
byId("spectrogram").addEventListener("click", (event) => {
  if (!frame || !drawn || wasDragged()) return;
  const seconds = frame.secondsAt(event.offsetX);
  if (seconds >= 0 && seconds < frame.duration) hear(seconds);
});
for (const id of ["scale", "from", "to", "contrast"]) {
  for (const kind of ["change", "input"]) byId(id).addEventListener(kind, () => { redraw(); byId("grid").dataset.key = ""; if (state.isGrid) showGrid(); });
}
for (const id of ["context", "loop", "speed", "filter", "low", "high"]) byId(id).addEventListener("change", () => { if (player.isPlaying || !["context", "loop"].includes(id)) hear(); });
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
state.order = new URLSearchParams(location.search).get("order") ?? "";
load();
if (isLoop) followLoop(queue, complain);
