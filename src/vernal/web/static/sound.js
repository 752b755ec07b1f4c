// Sound and spectrograms: fetched once, drawn and played here, so that every change of the view is instant.
import { ask, element } from "/static/page.js";

const RATE = 48000;
const FLOOR_DB = -120;
const LEAST_SPAN_DB = 18;
const ANCHORS = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97], [254, 194, 135], [252, 253, 191]];
const COLOURS = (() => {
  const table = new Uint8ClampedArray(256 * 3);
  for (let level = 0; level < 256; level++) {
    const place = (level / 255) * (ANCHORS.length - 1), first = Math.min(Math.floor(place), ANCHORS.length - 2);
    for (let part = 0; part < 3; part++) {
      table[level * 3 + part] = ANCHORS[first][part] + (place - first) * (ANCHORS[first + 1][part] - ANCHORS[first][part]);
    }
  }
  return table;
})();

const toMel = (hz) => 2595 * Math.log10(1 + hz / 700);
const fromMel = (mel) => 700 * (10 ** (mel / 2595) - 1);

export async function fetchSpectrogram(address) {
  const answer = await ask(address);
  const number = (name) => Number(answer.headers.get(name));
  const levels = new Uint8Array(await answer.arrayBuffer());
  return { levels, frames: number("x-frames"), bins: number("x-bins"), hop: number("x-hop") / RATE, perBin: RATE / number("x-window") };
}

// One context for the page. It is made by the first key or click: before that a browser keeps quiet.
let context = null;
function audioContext() {
  if (context === null) context = new AudioContext({ sampleRate: RATE });
  return context;
}
const decoder = new OfflineAudioContext(1, 1, RATE);

export async function fetchSound(address) {
  return decoder.decodeAudioData(await (await ask(address)).arrayBuffer());
}

// view: {scale, from, to, contrast: per cent of the picture left dark, time: [s, s] or nothing for all of it};
// marks: {clip: [s, s], band: [hz, hz], call: a box [s, s, hz, hz]}. Returns the places of the axes.
export function draw(canvas, spectrogram, view, marks = {}, { axes = true } = {}) {
  const ratio = axes ? window.devicePixelRatio || 1 : 1;
  const width = canvas.clientWidth || canvas.width, height = canvas.clientHeight || canvas.height;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const paint = canvas.getContext("2d");
  paint.scale(ratio, ratio);
  const left = axes ? 46 : 0, bottom = axes ? 22 : 0, top = axes ? 6 : 0;
  const box = { x: left, y: top, width: width - left - (axes ? 6 : 0), height: height - bottom - top };
  const limit = (spectrogram.bins - 1) * spectrogram.perBin;
  const to = Math.min(view.to, limit), from = Math.max(0, Math.min(view.from, to - 100));
  const isMel = view.scale === "mel";
  const low = isMel ? toMel(from) : from, high = isMel ? toMel(to) : to;
  const frequencyAt = (part) => (isMel ? fromMel(low + part * (high - low)) : low + part * (high - low));
  const placeOf = (hz) => box.y + box.height * (1 - ((isMel ? toMel(hz) : hz) - low) / (high - low));
  const duration = (spectrogram.frames - 1) * spectrogram.hop;
  const [start, end] = view.time ?? [0, duration];
  const rows = Math.max(1, Math.round(box.height * ratio)), key = [rows, from, to, isMel, view.contrast].join();
  // Kept with the sound, so that a clip that was made ready is there at once.
  if (spectrogram.key !== key) Object.assign(spectrogram, { key, image: picture(spectrogram, rows, frequencyAt, from, to, view.contrast) });
  paint.drawImage(spectrogram.image, start / spectrogram.hop, 0, Math.max(1, (end - start) / spectrogram.hop), rows, box.x, box.y, box.width, box.height);
  const xOf = (seconds) => box.x + (box.width * (seconds - start)) / (end - start);
  const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
  paint.save();
  paint.beginPath();
  paint.rect(box.x, box.y, box.width, box.height);
  paint.clip();
  if (marks.clip) shade(paint, box, xOf, marks.clip, duration);
  if (marks.band) drawBand(paint, box, placeOf, marks.band, [from, to], axes);
  if (marks.call) drawCall(paint, xOf, placeOf, marks.call);
  paint.restore();
  if (axes) drawAxes(paint, box, placeOf, xOf, [from, to], [start, end], marks.origin || 0, colour, isMel);
  return {
    box, duration, xOf, seconds: [start, end], hertz: [from, to],
    secondsAt: (x) => start + ((x - box.x) / box.width) * (end - start),
    hertzAt: (y) => frequencyAt(1 - (y - box.y) / box.height),
  };
}

function picture(spectrogram, rows, frequencyAt, from, to, contrast) {
  const { levels, frames, bins, perBin } = spectrogram;
  const first = Math.floor(from / perBin), last = Math.min(bins - 1, Math.ceil(to / perBin));
  const counts = new Uint32Array(256);
  let total = 0;
  for (let frame = 0; frame < frames; frame++) for (let bin = first; bin <= last; bin++) { counts[levels[frame * bins + bin]]++; total++; }
  let ceiling = 255, above = counts[255];
  while (ceiling > 1 && above < total * 0.0005) above += counts[--ceiling];
  // What is no louder than most of the picture is background, however loud the recording is; a clip of noise alone
  // stays dim, since colours span LEAST_SPAN_DB at the least.
  let floor = 0, below = counts[0];
  while (floor < ceiling && below < (total * contrast) / 100) below += counts[++floor];
  floor = Math.min(floor, ceiling - (LEAST_SPAN_DB / -FLOOR_DB) * 255);
  const span = ceiling - floor;
  const made = element("canvas", { width: frames, height: rows });
  const paint = made.getContext("2d"), image = paint.createImageData(frames, rows);
  for (let row = 0; row < rows; row++) {
    const place = frequencyAt(1 - (row + 0.5) / rows) / perBin;
    const bin = Math.min(bins - 2, Math.floor(place)), part = place - bin;
    for (let frame = 0; frame < frames; frame++) {
      const at = frame * bins + bin;
      const level = levels[at] * (1 - part) + levels[at + 1] * part;
      const colour = Math.max(0, Math.min(255, Math.round(((level - floor) / span) * 255))) * 3;
      const pixel = (row * frames + frame) * 4;
      image.data[pixel] = COLOURS[colour];
      image.data[pixel + 1] = COLOURS[colour + 1];
      image.data[pixel + 2] = COLOURS[colour + 2];
      image.data[pixel + 3] = 255;
    }
  }
  paint.putImageData(image, 0, 0);
  return made;
}

export function line(paint, x0, y0, x1, y1) {
  paint.beginPath();
  paint.moveTo(x0, y0);
  paint.lineTo(x1, y1);
  paint.stroke();
}

function shade(paint, box, xOf, clip, duration) {
  paint.fillStyle = "rgba(0, 0, 0, 0.45)";
  const start = xOf(clip[0]), end = xOf(Math.min(clip[1], duration));
  paint.fillRect(box.x, box.y, Math.max(0, start - box.x), box.height);
  paint.fillRect(end, box.y, Math.max(0, box.x + box.width - end), box.height);
  paint.strokeStyle = "#fff";
  paint.lineWidth = 1;
  for (const x of [start, end]) { line(paint, x, box.y, x, box.y + box.height); }
}

// Dark around light, to be seen on every picture.
function drawCall(paint, xOf, placeOf, [start, end, low, high]) {
  for (const [colour, width] of [["rgba(0, 0, 0, 0.7)", 5], ["#fff", 2]]) {
    paint.strokeStyle = colour;
    paint.lineWidth = width;
    paint.strokeRect(xOf(start), placeOf(high), xOf(end) - xOf(start), placeOf(low) - placeOf(high));
  }
}

function drawBand(paint, box, placeOf, band, [from, to], withWords) {
  paint.strokeStyle = "#58e0b5";
  paint.setLineDash([6, 4]);
  paint.lineWidth = 1.2;
  for (const hz of band) {
    if (hz <= from || hz >= to) continue;
    line(paint, box.x, placeOf(hz), box.x + box.width, placeOf(hz));
  }
  paint.setLineDash([]);
  if (withWords && band[1] < to) {
    paint.font = "12px system-ui, sans-serif";
    paint.fillStyle = "#58e0b5";
    paint.textAlign = "right";
    paint.textBaseline = "bottom";
    paint.fillText("band of the call", box.x + box.width - 6, placeOf(band[1]) - 2);
  }
}

function frequencies(from, to, isMel) {
  if (isMel) return [0, 250, 500, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 12000, 16000, 24000].filter((hz) => hz >= from && hz <= to);
  const step = [100, 200, 500, 1000, 2000, 5000].find((size) => (to - from) / size <= 8) || 5000;
  const ticks = [];
  for (let hz = Math.ceil(from / step) * step; hz <= to; hz += step) ticks.push(hz);
  return ticks;
}

function drawAxes(paint, box, placeOf, xOf, [from, to], [start, end], origin, colour, isMel) {
  paint.font = "11px system-ui, sans-serif";
  paint.fillStyle = colour("--soft");
  paint.strokeStyle = colour("--line");
  paint.textAlign = "right";
  paint.textBaseline = "middle";
  let free = Infinity;
  for (const hz of frequencies(from, to, isMel)) {
    const y = placeOf(hz);
    if (free - y < 13) continue;
    free = y;
    paint.fillText(hz >= 1000 ? `${hz / 1000} kHz` : `${hz} Hz`, box.x - 5, Math.max(box.y + 5, y));
  }
  paint.textBaseline = "top";
  paint.textAlign = "center";
  const room = box.width / 48; // so many times can stand beside each other
  const seconds = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20].find((size) => (end - start) / size <= Math.min(room, 12)) || 30;
  // Counted from the start of the clip, so that 0 is always among them.
  for (let step = Math.ceil((start - origin) / seconds - 1e-6); step * seconds <= end - origin + 1e-6; step++) {
    const x = Math.min(Math.max(xOf(step * seconds + origin), box.x + 8), box.x + box.width - 12);
    paint.fillText(`${Math.round(step * seconds * 100) / 100} s`, x, box.y + box.height + 5);
  }
}

// Plays one stretch at a time and says where it is.
export class Player {
  constructor(onChange) {
    this.onChange = onChange;
    this.source = null;
  }
  get isPlaying() { return this.source !== null; }
  async play(buffer, { from = 0, to = buffer.duration, speed = 1, name = "", loops = false } = {}) {
    this.stop();
    if (!navigator.userActivation?.hasBeenActive) return false;
    const sounding = audioContext();
    if (sounding.state === "suspended") await sounding.resume();
    const source = sounding.createBufferSource();
    source.buffer = buffer;
    source.playbackRate.value = speed;
    const gain = sounding.createGain();
    gain.gain.value = loudness(buffer, from, to);
    source.connect(gain).connect(sounding.destination);
    source.onended = () => { if (this.source === source) this.stop(); };
    Object.assign(source, { loop: loops, loopStart: from, loopEnd: to });
    source.start(0, from, loops ? undefined : Math.max(0.01, to - from));
    this.source = source;
    Object.assign(this, { from, to, speed, name, loops });
    this.started = sounding.currentTime;
    this.onChange(this);
    return true;
  }
  stop() {
    const source = this.source;
    this.source = null;
    if (source !== null) {
      source.onended = null;
      try { source.stop(); } catch { /* it never began */ }
      this.onChange(this);
    }
  }
  // Seconds into the buffer.
  position() {
    const heard = (audioContext().currentTime - this.started) * this.speed, length = this.to - this.from;
    return this.from + (this.loops ? heard % length : Math.min(length, heard));
  }
}

// Field recordings are quiet: bring the loudest sample to half of full scale, by a factor of thirty at most.
function loudness(buffer, from, to) {
  const samples = buffer.getChannelData(0).subarray(Math.floor(from * buffer.sampleRate), Math.ceil(to * buffer.sampleRate));
  let peak = 1e-4;
  for (const sample of samples) { const size = Math.abs(sample); if (size > peak) peak = size; }
  return Math.min(30, 0.5 / peak);
}
