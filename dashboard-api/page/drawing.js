// SVG and HTML by hand: elements, scales and ticks. Knows nothing of models. Data only ever becomes text nodes.

const SVG = "http://www.w3.org/2000/svg";
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Steps between ticks of up to two weeks, in milliseconds. */
const STEPS = [1, 5, 15, 30].map((n) => n * MINUTE).concat([1, 3, 6, 12].map((n) => n * HOUR), [1, 2, 7, 14].map((n) => n * DAY));
/** Longer steps, in months. */
const MONTHS = [1, 2, 3, 6, 12, 24, 60, 120];

/** An SVG element. */
export function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** An HTML element. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Maps [from, to] onto [start, end]; a span of nothing maps to the middle. */
export function scale(from, to, start, end) {
  const span = to - from;
  return (value) => (span === 0 ? (start + end) / 2 : start + ((value - from) / span) * (end - start));
}

/** Round numbers between two values, about `count` of them. */
export function valueTicks(low, high, count) {
  const raw = (high - low) / Math.max(count, 1);
  if (!(raw > 0) || !Number.isFinite(raw)) return [low];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= raw);
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) ticks.push(n * step);
  return ticks;
}

/** Times between two times that fall on the calendar, at most about `count` of them: {at, text}. */
export function timeTicks(from, to, count) {
  const wanted = (to - from) / Math.max(count, 1);
  const step = STEPS.find((n) => n >= wanted);
  return step === undefined ? monthTicks(from, to, wanted) : evenTicks(from, to, step);
}

function evenTicks(from, to, step) {
  // Weeks begin on Mondays; the epoch was a Thursday.
  const shift = step >= 7 * DAY ? 4 * DAY : 0;
  const ticks = [];
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= to; at += step) {
    const date = new Date(at);
    const isMidnight = at % DAY === 0;
    ticks.push({ at, text: isMidnight ? dayText(date) : date.toISOString().slice(11, 16) });
  }
  return ticks;
}

function monthTicks(from, to, wanted) {
  const step = MONTHS.find((n) => n * 30 * DAY >= wanted) ?? MONTHS[MONTHS.length - 1];
  const first = new Date(from);
  const ticks = [];
  let month = Math.ceil((first.getUTCFullYear() * 12 + first.getUTCMonth()) / step) * step;
  for (; ; month += step) {
    const at = Date.UTC(Math.floor(month / 12), month % 12, 1);
    if (at > to) return ticks;
    if (at < from) continue;
    const name = new Date(at).toLocaleDateString("en-GB", { month: "short", timeZone: "UTC" });
    const year = Math.floor(month / 12);
    ticks.push({ at, text: month % 12 === 0 ? String(year) : step >= 12 ? String(year) : name });
  }
}

function dayText(date) {
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
}

/** A path through points; null begins a new stretch. */
export function line(points) {
  let isOpen = false;
  let path = "";
  for (const point of points) {
    if (point === null) {
      isOpen = false;
      continue;
    }
    path += `${isOpen ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    isOpen = true;
  }
  return path;
}

/** A text cut to what fits in so many pixels. */
export function fitted(text, pixels) {
  const letters = Math.max(Math.floor(pixels / 6.2), 2);
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}

/** Diagonal stripes under an id of one's own; colours come from the style sheet. */
export function stripes(id, className) {
  return shape("pattern", { id, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    shape("rect", { width: 5, height: 5, class: `${className}-ground` }),
    shape("rect", { width: 2, height: 5, class: `${className}-stripe` }));
}
