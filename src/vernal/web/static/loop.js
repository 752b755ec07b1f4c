// A loop of listening: after the last clip of a batch comes the next batch, and how good the detector is by then.
import { byId, element, fetchJson, post } from "/static/page.js";

export const isLoop = byId("listening") !== null;
const WEIGHTS = ["likely", "uncertain", "random"];
const addressOf = (queue, more = "") => `/review/api/loop/${encodeURIComponent(queue)}${more}`;

// Whether there are further clips to decide on.
export async function advance(queue) {
  const started = performance.now();
  const told = await post(addressOf(queue, "/next"), Object.fromEntries(WEIGHTS.map((name) => [name, byId(`loop-${name}`).value])));
  performance.measure("next batch", { start: started, end: performance.now() });
  refresh(queue);
  return told.is_added;
}

export function followLoop(queue, complain) {
  refresh(queue).catch((error) => complain(error.message));
  byId("loop-finish").addEventListener("click", async () => {
    const place = byId("loop-made");
    try {
      const made = await post(addressOf(queue, "/finish"), {});
      const files = [...made.manifests, made.model].map((path) => element("li", {}, element("code", {}, path)));
      place.replaceChildren(element("p", {}, "Written:"), element("ul", {}, ...files), ...made.commands.map((command) => element("div", { className: "command" }, command)));
    } catch (error) { place.textContent = error.message; }
  });
}

async function refresh(queue) {
  const told = await fetchJson(addressOf(queue));
  for (const name of WEIGHTS) if (!byId(`loop-${name}`).value) byId(`loop-${name}`).value = told.weights[name];
  const last = told.curve.at(-1);
  const shown = last && last.average_precision !== null ? ` Average precision on them: ${last.average_precision.toFixed(2)}${last.low === null ? "" : ` (${last.low.toFixed(2)} to ${last.high.toFixed(2)})`}.` : "";
  byId("loop-counts").textContent = `${told.decided} of ${told.clips.toLocaleString("en")} clips decided on, ${told.positives} with the class. ${told.heard_at_random} of them were drawn at random, ${told.positives_at_random} with the class: only these show how good the detector is.${shown}`;
  byId("loop-advice").textContent = told.advice;
  byId("loop-curve").replaceChildren(...(last ? [curve(told.curve)] : []));
  document.body.dataset.batch = told.curve.length;
}

function curve(points) {
  const known = points.filter((point) => point.average_precision !== null);
  const end = Math.max(...points.map((point) => point.decisions)), width = 480, height = 150;
  const x = (decisions) => 40 + ((width - 60) * decisions) / end, y = (value) => height - 24 - (height - 36) * value;
  const svg = (tag, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    return made;
  };
  const words = known.map((point) => `${point.decisions} decisions: ${point.average_precision.toFixed(2)}`).join("; ");
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Average precision on the random share. ${words || "Not known yet."}`, class: "curve" });
  for (const value of [0, 0.5, 1]) picture.append(svg("text", { x: 34, y: y(value) + 4, "text-anchor": "end" }, String(value)), svg("path", { d: `M40 ${y(value)}H${width - 20}`, class: "grid" }));
  picture.append(svg("text", { x: width - 20, y: height - 6, "text-anchor": "end" }, `${end} decisions`));
  for (const point of known) {
    if (point.low !== null) picture.append(svg("path", { d: `M${x(point.decisions)} ${y(point.low)}V${y(point.high)}`, class: "reach" }));
    picture.append(svg("circle", { cx: x(point.decisions), cy: y(point.average_precision), r: 4, class: "mean" }));
  }
  return picture;
}
