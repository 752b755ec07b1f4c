// Several classes of one clip: a button each, pressed once it is there, twice unsure, three times absent again.
import { byId, element } from "/static/page.js";

export const classes = JSON.parse(byId("review").dataset.classes ?? "[]");
export const isAll = classes.length > 0;
const NEXT = { not_target: "target", target: "unsure", unsure: "not_target" };
const PRESSED = { target: "true", not_target: "false", unsure: "mixed" };
const WORDS = { target: "present", not_target: "absent", unsure: "unsure" };
const MARKS = { target: "✓", not_target: "", unsure: "?" };
const PER_PAGE = 9;
const QUALITIES = [null, "high", "medium", "low"];

let page = 0; // which nine the number keys are for
export let focus = null; // the class that band, quality and call type are about

export const classOf = (name) => classes.find((one) => one.name === name);
const absent = () => ({ decision: "not_target", quality: null, call_type: null, box: null });

// What is marked of a clip: kept with it, so that going on without a decision loses nothing.
export function answersOf(look) {
  const known = (look.said ?? look.partly)?.classes ?? {};
  look.answers ??= Object.fromEntries(classes.map(({ name }) => [name, { ...(known[name] ?? absent()) }]));
  return look.answers;
}

// A look as the server knows it; one where some classes are not decided on is open.
export function asKnown(look, said) {
  if ((look.said ?? look.partly)?.id !== said?.id) look.answers = null;
  look.said = said?.is_whole ? said : null;
  look.partly = said?.is_whole ? null : said;
}

// What is sent of all classes: those without a mark are absent, or unsure too.
export function allSaid(answers, rest) {
  return Object.fromEntries(Object.entries(answers).map(([name, { decision, quality, call_type: callType, box }]) => {
    const isThere = decision === "target";
    return [name, { decision: decision === "not_target" ? rest : decision, quality: isThere ? quality : null, call_type: isThere ? callType : null, box: isThere ? box : null }];
  }));
}

export function named(answers, decision) {
  return classes.map(({ name }) => name).filter((name) => answers[name]?.decision === decision);
}

export function inWords(answers) {
  const told = classes.map(({ name }) => [name, answers[name] ?? absent()]).filter(([, one]) => one.decision !== "not_target");
  const words = told.map(([name, one]) => [`${name} ${WORDS[one.decision]}`, one.quality && `${one.quality} quality`, one.call_type, one.box && "with a box"].filter(Boolean).join(", "));
  return words.length ? `${words.join("; ")}; ${told.length < classes.length ? "the others absent" : "no other asked for"}` : "none of them";
}

export function setFocus(name) { focus = name; }
export const onPage = (place) => classes[page * PER_PAGE + place]?.name;
export function turnPage() { page = (page + 1) % Math.ceil(classes.length / PER_PAGE); }
export const startingWith = (text) => text && classes.find(({ name }) => name.toLowerCase().startsWith(text.toLowerCase()))?.name;

export function press(answers, name) {
  answers[name].decision = NEXT[answers[name].decision];
  if (answers[name].decision !== "target") Object.assign(answers[name], { quality: null, call_type: null, box: null });
  setFocus(name);
}

export const nextOf = (value, all) => all[(all.indexOf(value) + 1) % all.length];
export const nextQuality = (answer) => nextOf(answer.quality, QUALITIES);
export const nextCallType = (answer, name) => nextOf(answer.call_type, [null, ...classOf(name).call_types]);

function build(onPress) {
  byId("classes").replaceChildren(...classes.map(({ name }) => {
    const button = element("button", { type: "button" }, element("kbd"), element("span", { className: "name" }, name), element("span", { className: "state" }));
    button.dataset.class = name;
    button.addEventListener("click", () => onPress(name));
    return button;
  }));
  byId("class-pages").hidden = classes.length <= PER_PAGE;
}

export function showClasses(look, onPress) {
  if (!byId("classes").childElementCount) build(onPress);
  const answers = answersOf(look), isDecided = Boolean(look.said);
  [...byId("classes").children].forEach((button, at) => {
    const { name } = classes[at], { decision } = answers[name], [key, , state] = button.children;
    const digit = Math.floor(at / PER_PAGE) === page ? String((at % PER_PAGE) + 1) : "";
    button.setAttribute("aria-pressed", PRESSED[decision]);
    button.setAttribute("aria-label", digit ? `${name}, key ${digit}` : name);
    if (digit) button.setAttribute("aria-keyshortcuts", digit); else button.removeAttribute("aria-keyshortcuts");
    button.classList.toggle("in-focus", name === focus);
    key.textContent = digit;
    key.hidden = !digit;
    const isSaid = isDecided || decision !== "not_target";
    state.replaceChildren(MARKS[decision], element("span", { className: "word" }, isSaid ? ` ${WORDS[decision]}` : ""));
  });
  const [first, last] = [page * PER_PAGE + 1, Math.min((page + 1) * PER_PAGE, classes.length)];
  byId("class-range").textContent = `keys 1 to ${last - first + 1}: classes ${first} to ${last} of ${classes.length}`;
  const there = named(answers, "target"), may = named(answers, "unsure").map((name) => `${name}?`);
  byId("rest").textContent = there.length + may.length ? `${[...there, ...may].join(", ")}, no other` : "None of them";
}
