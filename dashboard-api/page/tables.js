// Everything of the page that is words and tables: health, facts, the chosen window, alerts, notifications, dead letters.

import { element } from "./drawing.js";
import {
  HEALTH_MARKS, ago, alertAbout, count, duration, emptyWords, figure, instant, plural, reason, share, time, windowName, words,
} from "./words.js";

/** Rows that a table shows; the interface has the rest. */
const TABLE_ROWS = 12;
const FINDINGS = 60;

const get = (id) => document.getElementById(id);

export function showHealth(model) {
  const box = get("health");
  box.hidden = false;
  box.dataset.state = model.health.state;
  get("health-mark").textContent = HEALTH_MARKS[model.health.state] ?? "○";
  // Dates aren't torn apart at the end of a line.
  const parts = model.health.words.split(/(\d{4}-\d\d-\d\d)/);
  get("health-words").replaceChildren(...parts.map((text, index) => (index % 2 === 1 ? element("span", { class: "together" }, text) : text)));
  document.title = `${HEALTH_MARKS[model.health.state] ?? ""} ${model.model} – Bellwether`;
}

export function showFacts(model, status) {
  const watermark = (key) => model.shards.map((shard) => shard[key]).filter(Boolean).sort()[0] ?? null;
  const predictions = watermark("prediction_watermark");
  const labels = watermark("label_watermark");
  const updated = model.shards.map((shard) => shard.updated).sort().pop();
  const matured = model.latest_matured;
  const facts = [
    ["Owner", model.owner ?? "nobody is named"],
    ["Windows judged", count(model.windows), `of ${duration(model.window_seconds)} each, ${model.quarantined_windows > 0 ? count(model.quarantined_windows) : "none"} quarantined`],
    ["Newest matured window", matured ? `log loss ${figure(matured.log_loss)}` : "none yet", matured ? `${windowName(matured)}, ${share(matured.coverage)} labelled` : ""],
    ["Predictions read to", time(predictions), predictions ? silence(model, "predictions_idle") : ""],
    ["Labels read to", time(labels), labels && predictions ? behind(labels, predictions) : ""],
    ["Lag", model.lag_records === null ? "unknown" : plural(model.lag_records, "record"), updated ? `published ${ago(updated, Date.now())}` : "nothing published yet"],
    ["Dead letters", count(model.dead_letters), model.dead_letters > 0 ? "see below" : "every event could be used"],
    ["Retraining", model.retraining ? words(model.retraining.state) : "never asked for", model.retraining ? `${time(model.retraining.event_time)}: ${model.retraining.reason}` : ""],
  ];
  get("facts").replaceChildren(...facts.map(([name, value, more]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value, more ? element("small", {}, more) : null))));
  get("product-version").textContent = status.product_version;
  const outbox = status.outbox;
  get("outbox").textContent = outbox.oldest_waiting ? `over all models the oldest undelivered waits since ${instant(outbox.oldest_waiting)}` : "nothing waits";
}

function silence(model, key) {
  return model.shards.some((shard) => shard[key]) ? "a source is silent" : "";
}

function behind(labels, predictions) {
  const seconds = (Date.parse(predictions) - Date.parse(labels)) / 1000;
  return seconds <= 0 ? "as far as the predictions" : `${duration(seconds)} behind the predictions`;
}

export function showEmpty(model, topics) {
  const box = get("empty");
  box.hidden = model === null ? false : model.windows > 0;
  if (box.hidden) return;
  const [title, ...lines] = model === null
    ? ["No model is configured.", "Add the path of a contract to “contracts:” in the configuration and start the service again.",
      "“bellwether init DATA” writes a first contract from a data set."]
    : emptyWords(model, topics);
  box.replaceChildren(element("h2", {}, title), ...lines.map((text) => element("p", {}, text)));
}

export function showReasons(status) {
  const box = get("problem");
  if (status.ready) {
    box.hidden = true;
    return;
  }
  box.hidden = false;
  box.textContent = `The service isn't ready: ${status.reasons.join(" ")}`;
}

export function showWindow(window, isNewest, findings) {
  get("window").hidden = false;
  get("window-title").textContent = windowName(window);
  const marks = [
    isNewest ? ["the newest window", "plain"] : null,
    window.quarantined ? ["quarantined", "fault"] : null,
    window.fault ? [words(window.fault), "fault"] : null,
    window.matured ? ["matured", "plain"] : ["labels still coming", "plain"],
    window.closed_by_idleness ? ["closed because a source was silent", "plain"] : null,
    window.revision > 0 ? [`revision ${window.revision}`, "plain"] : null,
    window.version ? [`version ${window.version}`, "plain"] : null,
  ].filter(Boolean);
  get("window-marks").replaceChildren(...marks.map(([text, kind]) => badge(text, kind)));
  const range = window.interval ? `${figure(window.interval[0])} to ${figure(window.interval[1])}` : "";
  const figures = [
    ["Log loss", figure(window.log_loss), [range, window.limit === null ? "" : `limit ${figure(window.limit)}`].filter(Boolean).join("; ")],
    ["Brier score", figure(window.brier_score)], ["ROC AUC", figure(window.roc_auc)], ["Accuracy", figure(window.accuracy)],
    ["Predictions", count(window.rows), [window.late > 0 ? `${count(window.late)} too late` : "", window.errors > 0 ? plural(window.errors, "error") : ""].filter(Boolean).join(", ")],
    ["Labelled", share(window.coverage)], ["Mean score", figure(window.mean_score)], ["Positive labels", share(window.positive_rate)],
  ];
  get("window-figures").replaceChildren(...figures.map(([name, value, more]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value, more ? element("small", {}, more) : null))));
  showFindings(findings);
}

function showFindings(findings) {
  const list = get("findings");
  if (findings === null) {
    list.replaceChildren(element("li", { class: "quiet" }, "Reading the findings…"));
    return;
  }
  if (findings.length === 0) {
    list.replaceChildren(element("li", { class: "quiet" }, "Nothing was beyond its limit in this window."));
    return;
  }
  const items = findings.slice(0, FINDINGS).map((finding) => {
    const about = finding.feature || finding.subject;
    const evidence = [
      finding.statistic === null ? finding.reason : `${finding.detector} ${number(finding.statistic)}`,
      finding.limit === null ? "" : `limit ${number(finding.limit)}`,
      finding.consecutive > 1 ? `${finding.consecutive} windows in a row, since ${time(finding.since)}` : "first window",
      finding.segment, finding.version ? `version ${finding.version}` : "",
    ].filter(Boolean).join(" · ");
    return element("li", { class: finding.fault ? "fault" : finding.severity },
      element("p", { class: "finding-head" }, badge(finding.fault ? words(finding.fault) : finding.severity, finding.fault ? "fault" : finding.severity), element("strong", {}, about)),
      element("p", {}, finding.explanation), element("p", { class: "quiet" }, evidence));
  });
  if (findings.length > FINDINGS) items.push(element("li", { class: "quiet" }, `and ${findings.length - FINDINGS} more`));
  list.replaceChildren(...items);
}

function number(value) {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
}

export function badge(text, kind) {
  return element("span", { class: `badge ${kind}` }, text);
}

export function showAlerts(alerts) {
  const rows = alerts.slice(0, TABLE_ROWS).map((alert) => [
    badge(alert.state, `state-${alert.state}`),
    element("span", {}, element("strong", {}, alert.rule), alertAbout(alert) ? ` · ${alertAbout(alert)}` : ""),
    alert.severity, time(alert.started), time(alert.fired), time(alert.resolved), summary(alert),
  ]);
  const names = ["State", "Rule", "Severity", "Since", "Fired", "Resolved", "What it says"];
  get("alerts").replaceChildren(rows.length === 0 ? element("p", { class: "quiet" }, "No alert has ever been raised.") : table(names, rows, alerts.length - rows.length));
}

function summary(alert) {
  const text = alert.annotations?.summary;
  return typeof text === "string" && text !== "" ? text : alert.value === null ? "–" : `value ${number(alert.value)}`;
}

export function showNotifications(answer) {
  const rows = answer.notifications.slice(0, TABLE_ROWS).map((row) => [
    badge(row.state, `delivery-${row.state}`), `${row.kind} → ${row.channel}`, instant(row.created), count(row.attempts), fate(row),
  ]);
  const names = ["State", "Message", "Written", "Attempts", "Then"];
  get("notifications").replaceChildren(rows.length === 0 ? element("p", { class: "quiet" }, "Nobody has been told of anything yet.")
    : table(names, rows, answer.notifications.length - rows.length));
}

function fate(row) {
  if (row.state === "delivered") return `delivered ${instant(row.delivered)}`;
  const next = row.next_attempt ? `next attempt ${instant(row.next_attempt)}` : "given up";
  return row.last_error ? `${next}: ${row.last_error}` : next;
}

export function showLetters(answer) {
  const total = answer.counts.reduce((sum, row) => sum + row.letters, 0);
  get("letters-total").textContent = total > 0 ? `${count(total)} in all` : "";
  if (total === 0) {
    get("letters").replaceChildren(element("p", { class: "quiet" }, "Every event could be used."));
    return;
  }
  const rows = answer.counts.slice(0, TABLE_ROWS).map((row) => [
    element("span", {}, element("strong", {}, words(row.reason)), reason(row.reason) ? element("small", { class: "quiet" }, ` ${reason(row.reason)}`) : null),
    row.kind, count(row.letters),
  ]);
  const newest = answer.dead_letters.slice(0, 5).map((letter) =>
    element("li", {}, element("code", {}, `${letter.topic}/${letter.partition}/${letter.offset}`), ` ${letter.detail}`));
  get("letters").replaceChildren(table(["Reason", "Kind", "Letters"], rows, answer.counts.length - rows.length),
    element("h3", {}, "Newest, by position"), element("ul", { class: "positions" }, ...newest));
}

/** On narrow screens each row becomes a card, so cells carry their column's name. */
export function table(names, rows, left) {
  const head = element("thead", {}, element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name))));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell, index) => element("td", { "data-name": names[index] }, cell))));
  if (left > 0) body.push(element("tr", {}, element("td", { colspan: names.length, class: "quiet" }, `and ${count(left)} older; the JSON interface has them`)));
  return element("table", {}, head, element("tbody", {}, ...body));
}
