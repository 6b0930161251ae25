// Figures, times and states in words. Pure: data in, text out.

export const METRICS = {
  log_loss: { name: "Log loss", lowerIsBetter: true },
  brier_score: { name: "Brier score", lowerIsBetter: true },
  roc_auc: { name: "ROC AUC", lowerIsBetter: false },
  accuracy: { name: "Accuracy", lowerIsBetter: false },
};

/** Shapes as well as colours tell states apart. */
export const HEALTH_MARKS = { waiting: "○", quiet: "✓", watching: "◐", fault: "⧄", alerting: "▲" };

const REASONS = {
  undecodable: "not JSON, not UTF-8, or empty",
  missing_field: "a field that the contract asks for is missing",
  wrong_type: "a field has another type than the contract declares",
  oversized: "too large",
  time_in_future: "far ahead of the broker's clock",
  time_invalid: "no usable time",
};

const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];

export function reason(name) {
  return REASONS[name] ?? "";
}

/** snake_case as words. */
export function words(name) {
  return name.replaceAll("_", " ");
}

export function figure(value, digits = 3) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

export function count(value) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en-US");
}

export function share(value) {
  if (value === null || value === undefined) return "–";
  const percent = value * 100;
  // Almost all is not all.
  if (percent > 99.9 && percent < 100) return "99.9 %";
  return `${percent.toFixed(percent < 10 && percent > 0 ? 1 : 0)} %`;
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** A number of rows in little space: 950, 1.2k, 3.4M. */
export function short(value) {
  if (value >= 1e6) return `${trimmed(value / 1e6)}M`;
  if (value >= 1e3) return `${trimmed(value / 1e3)}k`;
  return trimmed(value);
}

function trimmed(value) {
  return String(Number(value.toPrecision(3)));
}

/** Seconds as the two largest units: 1 d 4 h. */
export function duration(seconds) {
  let rest = Math.max(Math.round(seconds), 0);
  const parts = [];
  for (const [unit, size] of UNITS) {
    const whole = Math.floor(rest / size);
    if (whole > 0) parts.push(`${whole} ${unit}`);
    rest -= whole * size;
    if (parts.length === 2) break;
  }
  return parts.join(" ") || "0 s";
}

/** An RFC 3339 time as a date, with the time of day unless it is midnight. */
export function time(text) {
  if (!text) return "–";
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  const iso = date.toISOString();
  const clock = iso.slice(11, 16);
  return clock === "00:00" ? iso.slice(0, 10) : `${iso.slice(0, 10)} ${clock}`;
}

/** An RFC 3339 time with seconds, as wall time needs it. */
export function instant(text) {
  if (!text) return "–";
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : date.toISOString().slice(0, 19).replace("T", " ");
}

/** How long ago a wall time was. */
export function ago(text, now) {
  const seconds = (now - new Date(text).getTime()) / 1000;
  return seconds < 1.5 ? "just now" : `${duration(seconds)} ago`;
}

/** A window's name: its day, or its day and hours. */
export function windowName(window) {
  const start = new Date(window.start).toISOString();
  const end = new Date(window.end).toISOString();
  const day = new Date(window.start).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  const isOneDay = start.slice(11, 16) === "00:00" && new Date(window.end) - new Date(window.start) === 86_400_000;
  if (isOneDay) return day;
  if (start.slice(0, 10) === end.slice(0, 10)) return `${day}, ${start.slice(11, 16)}–${end.slice(11, 16)}`;
  return `${time(window.start)} – ${time(window.end)}`;
}

/** What a column's or subject's row is called. */
export function rowName(drifted) {
  return drifted.feature || drifted.subject;
}

/** What an alert is about, besides its rule. */
export function alertAbout(alert) {
  return [alert.feature, alert.segment].filter(Boolean).join(", ");
}

/** A deployment in two or three words: "v2 10 %", "v2 promoted". */
export function deploymentName(mark) {
  const isShare = ["canary", "step", "bake"].includes(mark.kind);
  return `v${mark.version} ${isShare ? `${mark.weight} %` : words(mark.kind)}`;
}

/** The lines of the tooltip: [label, value, class]. */
export function windowLines(window, metric, marks) {
  const lines = [];
  const value = window[metric];
  const name = METRICS[metric].name;
  if (value === null) lines.push([name, window.labelled > 0 ? "not defined here" : "no labels yet"]);
  else lines.push([name, `${figure(value)}${window.matured ? "" : ", labels still coming"}`, window.performance_severity]);
  if (metric === "log_loss" && window.interval) {
    lines.push(["plausible", `${figure(window.interval[0])} to ${figure(window.interval[1])}`]);
  }
  if (metric === "log_loss" && window.limit !== null) lines.push(["limit", figure(window.limit)]);
  for (const served of window.versions) {
    lines.push([`version ${served.version}`, `${served.log_loss === null ? "" : `${figure(served.log_loss)}, `}${plural(served.rows, "prediction")}`]);
  }
  lines.push(["predictions", `${count(window.rows)}, ${share(window.coverage)} with label`]);
  if (window.late > 0) lines.push(["too late", count(window.late)]);
  if (window.errors > 0) lines.push(["errors", count(window.errors)]);
  if (window.quarantined) lines.push(["quarantined", window.fault ? words(window.fault) : "yes", "fault"]);
  for (const drifted of window.drifted.slice(0, 4)) {
    lines.push([rowName(drifted), drifted.fault ? words(drifted.fault) : drifted.severity, drifted.fault ? "fault" : drifted.severity]);
  }
  if (window.drifted.length > 4) lines.push(["", `and ${window.drifted.length - 4} more`]);
  return lines.concat(marks);
}

/** One sentence for a screen reader. */
export function windowSentence(window, metric, marks) {
  return `${windowName(window)}: ${windowLines(window, metric, marks).map(([label, value]) => `${label} ${value}`).join("; ")}`;
}

/** What to do while there is nothing to draw. */
export function emptyWords(status, topics) {
  const shards = status.shards;
  const topic = topics.predictions ? `the topic “${topics.predictions}”` : "the model's topic";
  if (shards.length === 0) {
    return ["No event has been read yet.",
      `Bellwether listens to ${topic}. Send a prediction there, or see at the top of this page what it cannot reach.`,
      "“bellwether check” tells whether the contract fits, “bellwether status” whether Kafka is reached."];
  }
  const read = shards.reduce((sum, shard) => sum + (shard.counts?.predictions?.accepted ?? 0), 0);
  if (read === 0 && status.dead_letters > 0) {
    return ["Events arrive, but none could be used.",
      `All ${count(status.dead_letters)} of them are dead letters; the table below says why, and at which position each one is.`,
      "Compare the contract's “fields” and “schema” with an event."];
  }
  return ["No window has closed yet.",
    `${plural(read, "prediction")} counted so far. A window is ${duration(status.window_seconds)} of event time; it closes when `
      + "the watermark has passed its end and the allowed lateness.",
    "It is judged in that moment, and shown here."];
}
