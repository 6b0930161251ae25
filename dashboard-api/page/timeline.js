// The page: asks the service every two seconds, draws what changed, moves the crosshair.

import { element } from "./drawing.js";
import { drawAlerts, drawAxis, drawDrift, drawPerformance, drawVolume, makeView, marksIn, windowAt } from "./panels.js";
import { showRetraining } from "./retraining.js";
import { TokenNeeded, answered, ask, hasToken, useToken } from "./service.js";
import { showAlerts, showEmpty, showFacts, showHealth, showLetters, showNotifications, showReasons, showWindow } from "./tables.js";
import { plural, windowLines, windowName, windowSentence } from "./words.js";

const REFRESH_MILLISECONDS = 2_000;
const PAGE_OF_WINDOWS = 7;

const get = (id) => document.getElementById(id);
const settings = new URLSearchParams(location.hash.slice(1));

/** What the page knows. */
const state = {
  model: settings.get("model"),
  span: Number(settings.get("windows") ?? 0),
  metric: "log_loss",
  timeline: null,
  view: null,
  /** Start of the window that was chosen; null follows the newest. */
  chosen: settings.get("window"),
  /** Index of the window under the crosshair; null while it is nowhere. */
  pointed: null,
  /** The contracts of models, as far as they were needed: they don't change while the service runs. */
  contracts: new Map(),
  updated: null,
  /** The model whose retraining is shown. */
  shown: null,
};

async function refresh() {
  const status = (await ask("api/v1/status")).body;
  showModels(status.models);
  showReasons(status);
  const model = status.models.find((model) => model.model === state.model) ?? null;
  if (model === null) {
    showEmpty(null, {});
    return;
  }
  const name = encodeURIComponent(model.model);
  const [timeline, notifications, letters, retrainings, versions, contract] = await Promise.all([
    ask(`api/v1/models/${name}/timeline`), ask(`api/v1/notifications?model=${name}&limit=50`), ask(`api/v1/dead-letters?model=${name}&limit=5`),
    ask(`api/v1/retrainings?model=${name}&limit=20`), ask(`api/v1/models/${name}/versions`), contractOf(model.model),
  ]);
  showHealth(model);
  showFacts(model, status);
  showEmpty(model, { predictions: contract?.sources?.predictions?.topic });
  showNotifications(notifications.body);
  showLetters(letters.body);
  if (retrainings.isNew || versions.isNew || state.shown !== model.model) {
    showRetraining(retrainings.body.retrainings, versions.body, contract?.retrain);
    state.shown = model.model;
  }
  if (timeline.isNew || state.timeline?.model !== timeline.body.model) {
    state.timeline = timeline.body;
    showAlerts(timeline.body.alerts);
    draw();
  }
}

async function contractOf(model) {
  if (!state.contracts.has(model)) {
    state.contracts.set(model, (await ask(`api/v1/models/${encodeURIComponent(model)}`)).body.contract ?? {});
  }
  return state.contracts.get(model);
}

function showModels(models) {
  const picker = get("model");
  const names = models.map((model) => model.model);
  if (!names.includes(state.model)) state.model = names[0] ?? null;
  if (picker.options.length !== names.length || names.some((name, index) => picker.options[index].value !== name)) {
    picker.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  }
  picker.value = state.model ?? "";
  picker.disabled = names.length < 2;
}

/** Draws the timeline anew: new data, another span, another width. */
function draw() {
  const all = state.timeline?.windows ?? [];
  get("timeline").hidden = all.length === 0;
  get("window").hidden = all.length === 0;
  if (all.length === 0) return;
  const windows = state.span > 0 ? all.slice(-state.span) : all;
  const view = makeView(state.timeline, windows, Math.max(get("chart").clientWidth, 280), state.metric);
  state.view = view;
  drawPerformance(get("performance").querySelector("svg"), view);
  drawDrift(get("drift").querySelector("svg"), view);
  drawVolume(get("volume").querySelector("svg"), view);
  drawAlerts(get("alerts-lanes").querySelector("svg"), view);
  drawAxis(get("axis"), view);
  const truncated = get("truncated");
  truncated.hidden = !state.timeline.truncated;
  truncated.textContent = `Only the newest ${plural(all.length, "window")} are shown; ask the interface for older ones with “from” and “to”.`;
  get("crosshair").setAttribute("aria-valuemax", windows.length);
  if (state.pointed !== null) point(Math.min(state.pointed, windows.length - 1));
  else rest();
  choose(state.chosen, false);
}

/** The crosshair stands at the newest window, unseen, until it is moved. */
function rest() {
  const { windows } = state.view;
  const crosshair = get("crosshair");
  crosshair.setAttribute("aria-valuenow", windows.length);
  crosshair.setAttribute("aria-valuetext", windowSentence(windows[windows.length - 1], state.metric, []));
  crosshair.classList.remove("seen");
  crosshair.style.left = `${middle(windows[windows.length - 1])}px`;
  get("tooltip").hidden = true;
}

function middle(window) {
  return state.view.x((window.from + window.to) / 2);
}

/** Puts the crosshair over a window and says what is there. */
function point(index) {
  state.pointed = index;
  const view = state.view;
  const window = view.windows[index];
  const at = middle(window);
  const marks = marksIn(view, window);
  const crosshair = get("crosshair");
  crosshair.classList.add("seen");
  crosshair.style.left = `${at}px`;
  crosshair.setAttribute("aria-valuenow", index + 1);
  crosshair.setAttribute("aria-valuetext", windowSentence(window, state.metric, marks));
  const tooltip = get("tooltip");
  const lines = windowLines(window, state.metric, marks).map(([label, value, kind]) =>
    element("div", { class: kind ? `line ${kind}` : "line" }, element("span", {}, label), element("b", {}, value)));
  tooltip.replaceChildren(element("p", {}, windowName(window)), ...lines);
  tooltip.hidden = false;
  // Beside the crosshair, on the side where there is room.
  const width = tooltip.offsetWidth;
  const isRight = at + 14 + width <= view.width;
  const left = isRight ? at + 14 : at - 14 - width;
  tooltip.style.left = `${Math.max(Math.min(left, view.width - width), 0)}px`;
}

function leave() {
  state.pointed = null;
  if (state.view) rest();
}

/** Opens a window: the one that starts then, or the newest. */
async function choose(start, isByHand) {
  const windows = state.timeline?.windows ?? [];
  const window = windows.find((window) => window.start === start) ?? windows[windows.length - 1];
  if (!window) return;
  state.chosen = window.start === start ? start : null;
  if (isByHand) remember();
  showSelection(window);
  const path = findingsPath(window);
  const isNewest = window === windows[windows.length - 1];
  showWindow(window, isNewest, answered(path)?.findings ?? null);
  try {
    const { body } = await ask(path);
    const current = windows.find((other) => other.start === state.chosen) ?? windows[windows.length - 1];
    if (current === window) showWindow(window, isNewest, body.findings);
  } catch (error) {
    fail(error);
  }
}

function findingsPath(window) {
  const query = new URLSearchParams({ model: state.timeline.model, from: window.start, to: window.end, min_severity: "info", limit: "200" });
  return `api/v1/findings?${query}`;
}

function showSelection(window) {
  const box = get("selection");
  const start = Date.parse(window.start);
  box.hidden = state.chosen === null || start < state.view.from;
  const left = state.view.x(start);
  box.style.left = `${left}px`;
  box.style.width = `${Math.max(state.view.x(Date.parse(window.end)) - left, 2)}px`;
}

/** The address keeps what was chosen, so that it can be sent to somebody. */
function remember() {
  const kept = new URLSearchParams();
  if (state.model) kept.set("model", state.model);
  if (state.span > 0) kept.set("windows", state.span);
  if (state.chosen) kept.set("window", state.chosen);
  history.replaceState(null, "", `#${kept}`);
}

function fail(error) {
  if (error instanceof TokenNeeded) {
    askForToken(error.message);
    return;
  }
  const box = get("problem");
  box.hidden = false;
  const since = state.updated ? ` What is shown is as of ${state.updated.toISOString().slice(11, 19)} UTC.` : "";
  box.textContent = `The service doesn't answer as it should (${error.message}).${since}`;
  get("live").textContent = "not connected";
  get("live").classList.add("lost");
}

/** The service shows nothing without a token: the page asks for one, and keeps it until the tab is closed. */
function askForToken(why) {
  const form = get("token");
  get("token-why").textContent = hasToken() ? why : "Reading needs a token here. An admin can make one: bellwether tokens create --role viewer.";
  get("live").textContent = "not let in";
  get("live").classList.add("lost");
  if (hasToken()) useToken("");
  // What was shown was shown to somebody who was let in.
  document.body.classList.add("locked");
  if (!form.hidden) return;
  form.hidden = false;
  get("token-text").focus();
}

let timer = null;
let isAsking = false;

async function tick() {
  clearTimeout(timer);
  if (isAsking) return;
  isAsking = true;
  try {
    await refresh();
    state.updated = new Date();
    get("live").textContent = "live";
    get("live").classList.remove("lost");
    get("token").hidden = true;
    document.body.classList.remove("locked");
  } catch (error) {
    fail(error);
  }
  isAsking = false;
  // A page that nobody sees asks nothing.
  if (!document.hidden) timer = setTimeout(tick, REFRESH_MILLISECONDS);
}

function keys(event) {
  if (!state.view) return;
  const last = state.view.windows.length - 1;
  const at = state.pointed ?? last;
  const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowDown: at - 1, ArrowUp: at + 1, PageDown: at - PAGE_OF_WINDOWS, PageUp: at + PAGE_OF_WINDOWS, Home: 0, End: last };
  if (event.key in moves) point(Math.min(Math.max(moves[event.key], 0), last));
  else if (event.key === "Enter" || event.key === " ") choose(state.view.windows[at].start, true);
  else if (event.key === "Escape") leave();
  else return;
  event.preventDefault();
}

function listen() {
  const chart = get("chart");
  const under = (event) => windowAt(state.view, event.clientX - chart.getBoundingClientRect().left);
  chart.addEventListener("pointermove", (event) => state.view && point(under(event)));
  chart.addEventListener("pointerleave", leave);
  chart.addEventListener("click", (event) => {
    if (!state.view || event.target.closest("figcaption")) return;
    point(under(event));
    choose(state.view.windows[state.pointed].start, true);
  });
  const crosshair = get("crosshair");
  crosshair.addEventListener("keydown", keys);
  crosshair.addEventListener("focus", () => state.view && crosshair.matches(":focus-visible") && point(state.pointed ?? state.view.windows.length - 1));
  crosshair.addEventListener("blur", leave);
  get("model").addEventListener("change", (event) => {
    Object.assign(state, { model: event.target.value, timeline: null, view: null, chosen: null, pointed: null });
    remember();
    tick();
  });
  for (const radio of document.querySelectorAll("input[name=span]")) {
    radio.checked = Number(radio.value) === state.span;
    radio.addEventListener("change", () => {
      Object.assign(state, { span: Number(radio.value), pointed: null });
      remember();
      draw();
    });
  }
  get("token").addEventListener("submit", (event) => {
    event.preventDefault();
    useToken(get("token-text").value.trim());
    get("token-text").value = "";
    tick();
  });
  get("metric").addEventListener("change", (event) => {
    state.metric = event.target.value;
    draw();
  });
  document.addEventListener("visibilitychange", () => !document.hidden && tick());
  let width = 0;
  new ResizeObserver(() => {
    if (chart.clientWidth !== width && state.timeline) {
      width = chart.clientWidth;
      draw();
    }
  }).observe(chart);
}

listen();
tick();
