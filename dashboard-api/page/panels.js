// The four panels of the timeline. Each draws into its own SVG; all share one scale of event time.

import { fitted, line, scale, shape, stripes, timeTicks, valueTicks } from "./drawing.js";
import { METRICS, alertAbout, count, deploymentName, plural, rowName, short, time, words } from "./words.js";

/** Limits on what is drawn; what is left out is said. */
const HEAT_ROWS = 16;
const ALERT_LANES = 10;
const SEVERITIES = ["none", "info", "warning", "critical"];
const LANE = 20;
/** Rows of labels of deployments above the curve, and the height of one. */
const LABEL_ROWS = 3;
const LABEL = 13;
/** Where there is no room beside a lane, its name stands above it. */
const NAMED_LANE = 34;

/** What the panels share: sizes, the scale of time, the windows with their times in milliseconds. */
export function makeView(timeline, windows, width, metric) {
  const isNarrow = width < 600;
  const gutter = isNarrow ? 82 : 164;
  const shown = windows.map((window) => ({ ...window, from: Date.parse(window.start), to: Date.parse(window.end) }));
  const newest = shown[shown.length - 1];
  const from = shown[0].from;
  const to = Math.max(newest.to, ...marksAfter(timeline, newest).map((at) => at + (newest.to - newest.from) / 2));
  const right = width - (isNarrow ? 4 : 14);
  const x = scale(from, to, gutter, right);
  const ticks = timeTicks(from, to, isNarrow ? 4 : 10);
  const deployments = timeline.deployments.map((mark) => ({ ...mark, time: Date.parse(mark.time) }))
    .filter((mark) => mark.time >= from && mark.time <= to).reverse();
  return { windows: shown, from, to, width, gutter, right, x, ticks, isNarrow, metric, deployments, alerts: timeline.alerts, retrainings: timeline.retrainings };
}

/** A window is judged a while after its end: what came of that just after the newest window belongs on the axis too. */
function marksAfter(timeline, newest) {
  const marks = [...timeline.alerts.flatMap((alert) => [alert.fired, alert.resolved]), ...timeline.retrainings.map((mark) => mark.event_time),
    ...timeline.deployments.map((mark) => mark.time)];
  const patience = 3 * (newest.to - newest.from);
  return marks.filter(Boolean).map(Date.parse).filter((at) => at > newest.to && at <= newest.to + patience);
}

/** The window under a pixel, or the nearest. */
export function windowAt(view, pixel) {
  let best = 0;
  let bestDistance = Infinity;
  view.windows.forEach((window, index) => {
    const distance = Math.max(view.x(window.from) - pixel, pixel - view.x(window.to), 0);
    if (distance < bestDistance) [best, bestDistance] = [index, distance];
  });
  return best;
}

/** Left and right edge of a window, at least one pixel apart. */
function edges(view, window) {
  const left = view.x(window.from);
  return [left, Math.max(view.x(window.to), left + 1)];
}

function begin(svg, view, height, label) {
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${view.width} ${height}`);
  svg.setAttribute("width", view.width);
  svg.setAttribute("height", height);
  svg.setAttribute("aria-label", label);
  const id = svg.parentElement.id;
  svg.append(shape("defs", {}, stripes(`${id}-fault`, "fault"), stripes(`${id}-quarantine`, "quarantine")));
  for (const window of view.windows.filter((window) => window.quarantined)) {
    const [left, right] = edges(view, window);
    svg.append(shape("rect", { x: left, y: 0, width: right - left, height, fill: `url(#${id}-quarantine)` }));
  }
  for (const tick of view.ticks) {
    svg.append(shape("line", { class: "grid", x1: view.x(tick.at), x2: view.x(tick.at), y1: 0, y2: height }));
  }
  for (const mark of view.deployments) {
    const at = view.x(mark.time);
    svg.append(shape("line", { class: `deployment ${mark.kind}`, x1: at, x2: at, y1: 0, y2: height }, shape("title", {}, `${time(new Date(mark.time).toISOString())}: ${mark.words || deploymentName(mark)}`)));
  }
}

/** Labels of deployments, each in the first row where there is room; one without room leaves its line alone. */
function placeLabels(view) {
  const ends = [];
  const placed = [];
  for (const mark of view.deployments) {
    const text = deploymentName(mark);
    const wide = text.length * 6 + 6;
    const left = Math.max(Math.min(view.x(mark.time) + 3, view.right - wide), view.gutter);
    let row = ends.findIndex((end) => end < left);
    if (row < 0 && ends.length < LABEL_ROWS) row = ends.push(-Infinity) - 1;
    if (row < 0) continue;
    ends[row] = left + wide;
    placed.push({ text, left, row, kind: mark.kind });
  }
  return { placed, height: ends.length * LABEL };
}

function note(svg, view, y, text) {
  svg.append(shape("text", { class: "note", x: (view.gutter + view.right) / 2, y, "text-anchor": "middle" }, text));
}

/** Middle of a window, in pixels. */
function middle(view, window) {
  return view.x((window.from + window.to) / 2);
}

/** Whether a window follows the one before it without a gap of more than half a window. */
function isNext(before, window) {
  return before !== undefined && window.from - before.to <= (before.to - before.from) / 2;
}

export function drawPerformance(svg, view) {
  const labels = placeLabels(view);
  const height = (view.isNarrow ? 160 : 190) + labels.height;
  const name = METRICS[view.metric].name;
  const known = view.windows.filter((window) => window[view.metric] !== null);
  const over = known.filter((window) => SEVERITIES.indexOf(window.performance_severity) >= 2).length;
  begin(svg, view, height, `${name}: ${plural(known.length, "window")} with labels, ${over} beyond the limit`);
  for (const label of labels.placed) {
    svg.append(shape("text", { class: `deployment-name ${label.kind}`, x: label.left, y: (label.row + 1) * LABEL - 3 }, label.text));
  }
  if (known.length === 0) {
    note(svg, view, height / 2, "No labels have been joined yet; performance needs them.");
    return;
  }
  const hasLimits = view.metric === "log_loss";
  const [low, high] = bounds(known, view.metric, hasLimits);
  const y = scale(low, high, height - 8, 8 + labels.height);
  const held = (value) => y(Math.min(Math.max(value, low), high));
  for (const tick of valueTicks(low, high, 4)) {
    svg.append(shape("line", { class: "grid", x1: view.gutter, x2: view.right, y1: y(tick), y2: y(tick) }),
      shape("text", { class: "tick", x: view.gutter - 6, y: y(tick) + 4, "text-anchor": "end" }, tickText(tick, high - low)));
  }
  if (hasLimits) drawRange(svg, view, known, held);
  drawLine(svg, view, known, y);
  if (hasLimits) drawOthers(svg, view, held);
}

/** Versions that served beside the one that the curve is of. */
function others(window) {
  return window.versions.filter((served) => served.version !== window.version && served.log_loss !== null);
}

function drawOthers(svg, view, held) {
  for (const window of view.windows) {
    for (const served of others(window)) {
      const [x, y] = [middle(view, window), held(served.log_loss)];
      svg.append(shape("rect", { class: "other", x: x - 2.6, y: y - 2.6, width: 5.2, height: 5.2 },
        shape("title", {}, `Version ${served.version}: ${served.log_loss.toFixed(3)} over ${plural(served.rows, "prediction")}`)));
    }
  }
}

/** The lowest and highest value to show: all figures and limits; intervals only so far as they leave the figures readable. */
function bounds(known, metric, hasLimits) {
  const values = known.map((window) => window[metric]).concat(hasLimits ? known.map((window) => window.limit).filter((limit) => limit !== null) : []);
  let [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(high - low, Math.abs(high) * 0.02, 1e-6) * 0.35;
  if (hasLimits) {
    for (const { log_loss } of known.flatMap(others)) {
      low = Math.min(low, Math.max(log_loss, Math.min(...values) - room));
      high = Math.max(high, Math.min(log_loss, Math.max(...values) + room));
    }
    for (const window of known.filter((window) => window.interval)) {
      low = Math.min(low, Math.max(window.interval[0], Math.min(...values) - room));
      high = Math.max(high, Math.min(window.interval[1], Math.max(...values) + room));
    }
  }
  const pad = Math.max(high - low, Math.abs(high) * 0.02, 1e-6) * 0.06;
  return [low - pad, high + pad];
}

function tickText(value, span) {
  return value.toFixed(span >= 10 ? 0 : span >= 1 ? 1 : span >= 0.1 ? 2 : 3);
}

/** The interval band and the steps of the limit. */
function drawRange(svg, view, known, held) {
  let run = [];
  const flush = () => {
    if (run.length > 0) {
      const across = run.length > 1 ? run.map((window) => [middle(view, window), window])
        : [[edges(view, run[0])[0], run[0]], [edges(view, run[0])[1], run[0]]];
      const top = across.map(([at, window]) => [at, held(window.interval[1])]);
      const bottom = across.map(([at, window]) => [at, held(window.interval[0])]).reverse();
      svg.append(shape("path", { class: "band", d: `${line(top.concat(bottom))}Z` }));
    }
    run = [];
  };
  known.forEach((window) => {
    if (!window.interval || !isNext(run[run.length - 1] ?? window, window)) flush();
    if (window.interval) run.push(window);
  });
  flush();
  let before;
  const steps = [];
  for (const window of known) {
    if (window.limit === null) continue;
    if (before && !isNext(before, window)) steps.push(null);
    const [left, right] = edges(view, window);
    steps.push([left, held(window.limit)], [right, held(window.limit)]);
    before = window;
  }
  svg.append(shape("path", { class: "limit", d: line(steps) }));
}

function drawLine(svg, view, known, y) {
  const place = (window) => [middle(view, window), y(window[view.metric])];
  const firm = [];
  const loose = [];
  known.forEach((window, index) => {
    const before = known[index - 1];
    if (!isNext(before, window)) return;
    (window.matured && before.matured ? firm : loose).push(null, place(before), place(window));
  });
  svg.append(shape("path", { class: "curve", d: line(firm) }), shape("path", { class: "curve loose", d: line(loose) }));
  const isRoomy = (view.right - view.gutter) / view.windows.length >= 5;
  known.forEach((window, index) => {
    const isLone = !isNext(known[index - 1], window) && !(known[index + 1] && isNext(window, known[index + 1]));
    const isOver = SEVERITIES.indexOf(window.performance_severity) >= 2;
    if (!isRoomy && !isOver && !isLone && window.matured) return;
    const [cx, cy] = place(window);
    if (isOver) svg.append(shape("path", { class: `over ${window.performance_severity}`, d: `M${cx} ${cy - 5.5}L${cx + 5.5} ${cy}L${cx} ${cy + 5.5}L${cx - 5.5} ${cy}Z` }));
    else svg.append(shape("circle", { class: window.matured ? "point" : "point hollow", cx, cy, r: window.matured ? 2.4 : 3.2 }));
  });
}

export function drawDrift(svg, view) {
  const rows = new Map();
  view.windows.forEach((window, index) => window.drifted.forEach((drifted) => {
    const name = rowName(drifted);
    const row = rows.get(name) ?? { name, isColumn: drifted.feature !== "", cells: new Map(), weight: 0 };
    const rank = SEVERITIES.indexOf(drifted.severity);
    const cell = row.cells.get(index);
    // A column may have a finding of its distribution and one of its quality: the graver shows.
    if (!cell || rank > cell.rank || (drifted.fault && !cell.fault)) row.cells.set(index, { rank, severity: drifted.severity, fault: drifted.fault ?? cell?.fault });
    row.weight = Math.max(row.weight, rank * 10_000) + rank;
    rows.set(name, row);
  }));
  const ordered = [...rows.values()].sort((a, b) => b.weight - a.weight || a.name.localeCompare(b.name));
  const shown = ordered.slice(0, HEAT_ROWS);
  const left = ordered.length - shown.length;
  const size = view.isNarrow ? 15 : 17;
  const height = Math.max(shown.length * size + (left > 0 ? 18 : 2), 40);
  begin(svg, view, height, ordered.length === 0 ? "Drift: nothing beyond its limit"
    : `Drift: ${plural(ordered.length, "column")} beyond a limit; the gravest is ${ordered[0].name}`);
  if (shown.length === 0) note(svg, view, 24, "No column has moved beyond its limit.");
  shown.forEach((row, place) => drawHeatRow(svg, view, row, place * size, size));
  if (left > 0) note(svg, view, height - 4, `and ${plural(left, "more column")}, less grave`);
}

/** Severity is told by height as well as by colour. */
function drawHeatRow(svg, view, row, top, size) {
  const room = size - 3;
  svg.append(shape("text", { class: row.isColumn ? "row-name" : "row-name subject", x: view.gutter - 6, y: top + size - 5, "text-anchor": "end" },
    fitted(row.name, view.gutter - 8), shape("title", {}, row.name)));
  svg.append(shape("rect", { class: "track", x: view.gutter, y: top + 1, width: view.right - view.gutter, height: room }));
  for (const [index, cell] of row.cells) {
    const [left, right] = edges(view, view.windows[index]);
    const high = cell.fault ? room : Math.max((room * Math.max(cell.rank, 0.5)) / 3, 3);
    const gap = right - left > 4 ? 0.5 : 0;
    svg.append(shape("rect", {
      class: cell.fault ? "cell fault" : `cell ${cell.severity}`, x: left + gap, y: top + 1 + room - high, width: right - left - 2 * gap,
      height: high, fill: cell.fault ? `url(#${svg.parentElement.id}-fault)` : null,
    }));
  }
}

export function drawVolume(svg, view) {
  const height = view.isNarrow ? 70 : 84;
  const most = Math.max(...view.windows.map((window) => window.rows), 1);
  const rows = view.windows.reduce((sum, window) => sum + window.rows, 0);
  const labelled = view.windows.reduce((sum, window) => sum + window.labelled, 0);
  begin(svg, view, height, `Volume: ${count(rows)} predictions, ${count(labelled)} with label`);
  const y = scale(0, most, height - 2, 6);
  for (const tick of valueTicks(0, most, 2)) {
    svg.append(shape("line", { class: "grid", x1: view.gutter, x2: view.right, y1: y(tick), y2: y(tick) }),
      shape("text", { class: "tick", x: view.gutter - 6, y: Math.min(y(tick) + 4, height - 2), "text-anchor": "end" }, short(tick)));
  }
  for (const window of view.windows) {
    const [left, right] = edges(view, window);
    const gap = right - left > 4 ? 0.75 : 0;
    const bar = (value, name) => shape("rect", { class: name, x: left + gap, y: y(value), width: right - left - 2 * gap, height: Math.max(y(0) - y(value), 0) });
    svg.append(bar(window.rows, "unlabelled"), bar(Math.min(window.labelled, window.rows), "labelled"));
  }
}

export function drawAlerts(svg, view) {
  const lanes = new Map();
  for (const alert of view.alerts) {
    if (Date.parse(alert.started) > view.to || (alert.resolved && Date.parse(alert.resolved) < view.from)) continue;
    const found = lanes.get(alert.fingerprint) ?? { name: alert.rule, about: alertAbout(alert), alerts: [] };
    found.alerts.push(alert);
    lanes.set(alert.fingerprint, found);
  }
  const shown = [...lanes.values()].slice(0, ALERT_LANES);
  const left = lanes.size - shown.length;
  const marks = view.retrainings.filter((mark) => Date.parse(mark.event_time) >= view.from && Date.parse(mark.event_time) <= view.to + 1);
  const lane = view.isNarrow ? NAMED_LANE : LANE;
  const height = Math.max((shown.length + (marks.length > 0 ? 1 : 0)) * lane + (left > 0 ? 18 : 4), 36);
  begin(svg, view, height, `${plural(lanes.size, "alert")} and ${plural(marks.length, "retraining decision")} in this span`);
  if (shown.length === 0 && marks.length === 0) note(svg, view, 22, "No alert in this span.");
  shown.forEach(({ name, about, alerts }, place) => {
    laneName(svg, view, about ? `${name} · ${about}` : name, place * lane);
    alerts.forEach((alert) => drawAlert(svg, view, alert, (place + 1) * lane - LANE));
  });
  if (marks.length > 0) {
    laneName(svg, view, "Retraining", shown.length * lane);
    marks.forEach((mark) => drawMark(svg, view, mark, (shown.length + 1) * lane - LANE / 2));
  }
  if (left > 0) note(svg, view, height - 4, `and ${plural(left, "older alert")}`);
}

function laneName(svg, view, name, top) {
  const place = view.isNarrow ? { x: 0, y: top + 12 } : { x: view.gutter - 6, y: top + 14, "text-anchor": "end" };
  const room = view.isNarrow ? view.width : view.gutter - 8;
  svg.append(shape("text", { class: "row-name", ...place }, fitted(name, room), shape("title", {}, name)));
}

function drawAlert(svg, view, alert, top) {
  const held = (text) => Math.min(Math.max(view.x(Date.parse(text)), view.gutter), view.right);
  const start = held(alert.started);
  const end = alert.resolved ? held(alert.resolved) : view.right;
  const fired = alert.fired ? held(alert.fired) : end;
  const group = shape("g", { class: `alert ${alert.state} ${alert.severity}` }, shape("title", {}, `${alert.rule}: ${alert.state} since ${time(alert.started)}`));
  if (fired - start >= 1) group.append(shape("rect", { class: "pending-part", x: start, y: top + 5.5, width: fired - start, height: LANE - 11, rx: 2 }));
  if (alert.fired) {
    const width = Math.max(end - fired, 2);
    group.append(shape("rect", { class: "firing-part", x: fired, y: top + 3, width, height: LANE - 6, rx: 2 }));
    if (alert.resolved) group.append(shape("line", { class: "resolved-end", x1: fired + width, x2: fired + width, y1: top + 1, y2: top + LANE - 1 }));
    if (width > 62) group.append(shape("text", { class: "bar-text", x: fired + 6, y: top + 14 }, alert.state));
  }
  svg.append(group);
}

/** A triangle for a retraining, a struck circle for one that was vetoed. */
function drawMark(svg, view, mark, y) {
  const x = Math.min(view.x(Date.parse(mark.event_time)), view.right - 6);
  const group = shape("g", { class: `mark ${mark.state === "vetoed" ? "vetoed" : "requested"}` }, shape("title", {}, `Retraining ${words(mark.state)} ${time(mark.event_time)}: ${mark.reason}`));
  if (mark.state === "vetoed") {
    group.append(shape("circle", { cx: x, cy: y, r: 6 }), shape("line", { x1: x - 4, y1: y + 4, x2: x + 4, y2: y - 4 }));
  } else {
    group.append(shape("path", { d: `M${x} ${y - 7}L${x + 7} ${y + 6}L${x - 7} ${y + 6}Z` }));
  }
  svg.append(group);
}

export function drawAxis(svg, view) {
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${view.width} 22`);
  svg.setAttribute("width", view.width);
  svg.setAttribute("height", 22);
  let last = -Infinity;
  for (const tick of view.ticks) {
    const at = view.x(tick.at);
    if (at - last < 44 || at > view.right - 10 || at < view.gutter + 22) continue;
    svg.append(shape("text", { class: "tick", x: at, y: 15, "text-anchor": "middle" }, tick.text));
    last = at;
  }
  const year = new Date(view.from).getUTCFullYear();
  svg.append(shape("text", { class: "tick", x: view.gutter - 6, y: 15, "text-anchor": "end" }, String(year)));
}

/** What the tooltip says of alerts and retrainings in a window. */
export function marksIn(view, window) {
  const lines = [];
  for (const alert of view.alerts) {
    const isOver = alert.resolved && Date.parse(alert.resolved) <= window.from;
    if (Date.parse(alert.started) >= window.to || isOver) continue;
    const isFiring = alert.fired && Date.parse(alert.fired) < window.to;
    lines.push([[alert.rule, alertAbout(alert)].filter(Boolean).join(" · "), isFiring ? "firing" : "pending", isFiring ? "critical" : ""]);
  }
  for (const mark of view.retrainings) {
    const at = Date.parse(mark.event_time);
    if (at >= window.from && at < window.to) lines.push(["retraining", words(mark.state), mark.state === "vetoed" ? "fault" : ""]);
  }
  for (const mark of view.deployments) {
    if (mark.time >= window.from && mark.time < window.to) lines.push(["deployment", deploymentName(mark), ""]);
  }
  return lines.slice(0, 6);
}

