// One box around a call: dragged over the picture, or moved by keys. [start, end] are seconds of the recording, [low, high] Hertz.
const TOP_HZ = 24000;
const DRAG_PX = 6; // less is a click
const STEPS = 100; // so many keys from one end of what is seen to the other

const clamp = (value, [least, most]) => Math.max(least, Math.min(most, value));
const limitsOf = ({ start_s: start, end_s: end, sound }) => {
  const first = sound.from_s + sound.before_s;
  return [[start ?? first, Math.min(end ?? Infinity, first + sound.clip_s)], [0, TOP_HZ]];
};

// Ordered, of whole milliseconds and Hertz, and within the clip.
function fit([start, end, low, high], [times, hertz]) {
  const within = (values, limits, unit) => values.map((value) => clamp(Math.round(value * unit) / unit, limits)).sort((a, b) => a - b);
  return [...within([start, end], times, 1000), ...within([low, high], hertz, 1)];
}
const isEmpty = ([start, end, low, high]) => end - start < 0.001 || high - low < 1;

export const sameBox = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);

// The same box with the seconds of the sound that the page has.
export const inSound = (box, sound) => box && [box[0] - sound.from_s, box[1] - sound.from_s, box[2], box[3]];

// As a screen reader says it; times are those under the picture, which begin with the clip.
export function wordsOf([start, end, low, high], sound) {
  const seconds = (value) => (value - sound.from_s - sound.before_s).toFixed(2).replace(/0$/, "");
  return `box from ${seconds(start)} to ${seconds(end)} s, ${low.toLocaleString("en")} to ${high.toLocaleString("en")} Hz`;
}

// get and set: the box of the clip on the page, or null; keep: what is done once it shall stay; view: {facts, frame, band}.
export class BoxEditor {
  constructor({ get, set, keep, view, onChange }) {
    Object.assign(this, { get, set, keep, view, onChange, isOpen: false, before: null });
  }
  open() {
    this.before = this.get();
    this.toggle(true);
    this.set(this.before ?? this.usual());
  }
  toggle(isOpen) {
    this.isOpen = isOpen;
    this.onChange(isOpen);
  }
  close() { if (this.isOpen) this.toggle(false); }
  end() {
    this.close();
    this.keep();
  }
  leave() {
    this.close();
    this.set(this.before);
  }
  remove() {
    this.set(null);
    this.end();
  }
  // The middle half of the clip, and the band of the call where it is known.
  usual() {
    const { facts, frame, band } = this.view(), limits = limitsOf(facts);
    const middle = ([from, to]) => [from + (to - from) / 4, to - (to - from) / 4];
    return fit([...middle(limits[0]), ...(band ?? middle(frame.hertz))], limits);
  }
  // Between two points of the picture; null where nothing of it is in the clip.
  between(a, b) {
    const { facts, frame } = this.view();
    const time = ({ x }) => frame.secondsAt(x) + facts.sound.from_s, hertz = ({ y }) => frame.hertzAt(y);
    const shown = frame.hertz.map((value) => Math.round(value));
    const box = fit([time(a), time(b), clamp(hertz(a), shown), clamp(hertz(b), shown)], limitsOf(facts));
    return isEmpty(box) ? null : box;
  }
  // Whether a key is about the box.
  press({ key, shiftKey }) {
    const side = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[key];
    if (side) this.shift(side, shiftKey);
    else if (key === "Enter") this.end();
    else if (key === "Escape") this.leave();
    else if (key === "Delete" || key === "Backspace") this.remove();
    else return false;
    return true;
  }
  // A step to one side; with resizes only the end and the upper edge.
  shift([right, up], resizes) {
    const { facts, frame } = this.view(), limits = limitsOf(facts), [start, end, low, high] = this.get();
    const step = ([from, to], by) => (by * (to - from)) / STEPS;
    const moved = ([from, to], by, [least, most]) => (resizes ? [from, to + by] : [from, to].map((value) => value + clamp(by, [least - from, most - to])));
    const times = moved([start, end], step(frame.seconds, right), limits[0]);
    const hertz = moved([low, high], step(frame.hertz, up), limits[1]);
    const box = fit([...times, ...hertz], limits);
    if (times[0] < times[1] && hertz[0] < hertz[1] && !isEmpty(box)) this.set(box);
  }
}

// Draw by mouse, pen or finger; returns whether the click that comes next ended a drag.
export function dragBoxes(canvas, editor, mayBegin, complain) {
  let from = null, before = null, isDrag = false;
  const placeOf = (event) => ({ x: event.offsetX, y: event.offsetY });
  const stop = () => { from = null; };
  canvas.addEventListener("pointerdown", (event) => {
    isDrag = false;
    from = event.isPrimary && event.button === 0 ? placeOf(event) : null;
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from || !event.isPrimary) return;
    const to = placeOf(event);
    if (!isDrag) {
      if (Math.hypot(to.x - from.x, to.y - from.y) < DRAG_PX) return;
      if (!mayBegin()) { stop(); return; }
      [isDrag, before] = [true, editor.get()];
      canvas.setPointerCapture(event.pointerId);
    }
    editor.set(editor.between(from, to));
  });
  canvas.addEventListener("pointerup", () => {
    if (!from || !isDrag) return;
    stop();
    if (editor.get()) { editor.end(); return; }
    editor.set(before);
    complain("A box lies in the clip, between the white lines.");
  });
  canvas.addEventListener("pointercancel", () => {
    if (from && isDrag) editor.set(before);
    stop();
  });
  return () => isDrag;
}
