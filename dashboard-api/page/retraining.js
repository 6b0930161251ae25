// The retraining that is under way, or the newest: its steps, its figures, what it waits for; and the versions there are.

import { element } from "./drawing.js";
import { badge, table } from "./tables.js";
import { count, figure, instant, plural, time, words } from "./words.js";

/** Versions that the table shows; the interface has the rest. */
const VERSIONS = 8;
const SHARES = [10, 50, 100];
const HASH_LETTERS = 12;

const get = (id) => document.getElementById(id);

/** The one under way; else the newest that was let through; else the newest. Newest first. */
function current(retrainings) {
  return retrainings.find((one) => one.is_active) ?? retrainings.find((one) => one.state !== "vetoed") ?? retrainings[0] ?? null;
}

/** The names of the steps from the request to the end, as the contract wants them. */
function names(kind, plan) {
  if (kind === "return") return ["requested", "rolled back"];
  const made = kind === "deployment" ? ["requested", "registered"] : ["requested", "data", "training", "gate", "registered"];
  if (plan && !plan.executor && kind !== "deployment") return ["requested"];
  if (plan && !plan.target) return made;
  return [...made, ...(plan?.rollout?.steps ?? SHARES).map((percent) => `${percent} %`), "bake", "promoted"];
}

/** The step that a retraining is in, or ended in. */
function reached(state, document, all) {
  const last = all[all.length - 1];
  const shares = all.filter((name) => name.endsWith(" %"));
  const weight = document.rollout?.weight ?? 0;
  const given = shares.filter((name) => parseInt(name, 10) <= weight).pop() ?? shares[0] ?? "registered";
  if (state === "promoted" || (state === "rolled_back" && last === "rolled back")) return last;
  if (state === "baking") return "bake";
  if (state === "canary") return given;
  if (state === "evaluating") return "gate";
  if (state === "data_pinned" || state === "training") return "training";
  if (state === "requested" || state === "registered") return state;
  // It ended, or is on its way back: as far as it came.
  if (document.rollout) return given;
  if (document.gate && document.gate.phase !== "successful" && !document.overridden) return "gate";
  if (document.candidate) return "registered";
  if (document.gate) return "gate";
  if (document.manifest) return "training";
  return "requested";
}

/** Steps as [name, "done" | "now" | "ended" | "ahead"]. */
function stepsOf(retraining, document, plan) {
  const all = names(document.kind, plan);
  const place = Math.max(all.indexOf(reached(retraining.state, document, all)), 0);
  const isGood = ["promoted", "registered", "superseded"].includes(retraining.state) || (document.kind === "return" && retraining.state === "rolled_back");
  const here = retraining.is_active ? "now" : isGood ? "done" : "ended";
  return all.map((name, index) => [name, index < place ? "done" : index === place ? here : "ahead"]);
}

const STEP_WORDS = { done: "done", now: "under way", ended: "ended here", ahead: "still to come" };

export function showRetraining(retrainings, registry, plan) {
  const retraining = current(retrainings);
  const box = get("retraining");
  box.hidden = retraining === null && registry.versions.length === 0;
  if (box.hidden) return;
  for (const id of ["retraining-marks", "retraining-words", "retraining-steps", "retraining-figures", "retraining-more"]) get(id).replaceChildren();
  if (retraining === null) get("retraining-words").textContent = "Nothing has ever asked for a retraining.";
  else showOne(retraining, retrainings[0], plan);
  showVersions(registry);
}

function showOne(retraining, newest, plan) {
  // Rows of older releases have no document.
  const document = typeof retraining.document === "object" && retraining.document !== null ? retraining.document : {};
  const who = document.asked_by?.person ? `asked for by ${document.asked_by.person}` : retraining.rule ? `asked for by rule ${retraining.rule}` : "";
  const marks = [[words(retraining.state), `step-${retraining.is_active ? "now" : retraining.state}`], [time(retraining.event_time), "plain"],
    retraining.version ? [`version ${retraining.version}`, "plain"] : null, who ? [who, "plain"] : null,
    document.overridden ? [`gate overridden by ${document.overridden.by}`, "warning"] : null];
  get("retraining-marks").replaceChildren(...marks.filter(Boolean).map(([text, kind]) => badge(text, kind)));
  get("retraining-words").textContent = sentence(retraining, document);
  if (retraining.state !== "vetoed") {
    get("retraining-steps").replaceChildren(...stepsOf(retraining, document, plan).map(([name, state]) =>
      element("li", { class: state, "aria-current": state === "now" ? "step" : null }, name, element("span", { class: "hidden" }, `, ${STEP_WORDS[state]}`))));
  }
  get("retraining-figures").replaceChildren(...figures(document, retraining).map(([name, value, ...more]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value, ...more.filter(Boolean).map((text) => (text instanceof Node ? text : element("small", {}, text)))))));
  if (newest !== retraining && newest.state === "vetoed") {
    get("retraining-more").replaceChildren(`The newest request, of ${time(newest.event_time)}, was vetoed: ${newest.reason}`);
  }
}

/** Why it was asked for, and what it waits for or how it ended. */
function sentence(retraining, document) {
  const asked = document.reason ?? retraining.reason;
  const now = retraining.is_active ? (document.waits_for ? `Waits for ${document.waits_for}` : "") : (document.outcome ?? "");
  return [asked, now].filter((text, index, all) => text && all.indexOf(text) === index).map((text) => ending(text)).join(" ");
}

function ending(text) {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}

function figures(document, retraining) {
  const all = [];
  const { manifest, progress, gate, rollout, candidate } = document;
  if (manifest) {
    const leftOut = manifest.left_out?.length ?? 0;
    all.push(["Data", `${count(manifest.labelled)} labelled`, `of ${plural(manifest.rows, "prediction")}, ${time(manifest.from)} to ${time(manifest.to)}`,
      manifest.held_out_from ? `held out from ${time(manifest.held_out_from)}` : "", leftOut > 0 ? `${plural(leftOut, "quarantined window")} left out` : ""]);
  }
  if (progress || document.attempts > 0) all.push(training(document, progress));
  if (gate) {
    all.push(["Gate", words(gate.phase ?? ""), gate.reason],
      ["Log loss, held out", `${figure(gate.candidate)} against ${figure(gate.stable)}`, `candidate against stable, ${plural(gate.rows ?? 0, "row")} of ${plural(gate.blocks ?? 0, "day")}`,
        gate.difference ? `difference ${interval(gate.difference)}` : ""]);
  }
  if (candidate) all.push(["Candidate", `version ${candidate.version}`, element("small", {}, element("code", {}, `sha256 ${String(candidate.sha256).slice(0, HASH_LETTERS)}…`))]);
  if (rollout) {
    const isKept = retraining.is_active || retraining.state === "promoted";
    all.push(["Traffic", isKept ? `${rollout.weight} % to the candidate` : `the candidate had ${rollout.weight} %`, rollout.since ? `since ${time(rollout.since)}` : ""]);
    if (rollout.analysis) all.push(...live(rollout.analysis));
  }
  return all;
}

function training(document, progress) {
  const epoch = progress?.epoch && progress?.of ? `epoch ${progress.epoch} of ${progress.of}` : "";
  const bar = typeof progress?.fraction === "number" ? element("progress", { max: 1, value: progress.fraction, "aria-label": "Training" }) : null;
  return ["Training", progress?.phase ? words(progress.phase) : "started", bar, [epoch, typeof progress?.loss === "number" ? `loss ${figure(progress.loss)}` : ""].filter(Boolean).join(", "),
    document.attempts > 1 ? `started ${document.attempts} times` : ""];
}

/** What live events say of the candidate; each part that gives a reason, with its interval. */
function live(analysis) {
  const all = [["Live events", words(analysis.phase ?? ""), analysis.reason]];
  for (const [key, name] of [["performance", "By labels"], ["shadow", "On the same events"], ["operations", "Errors and latency"]]) {
    const verdict = analysis[key];
    if (!verdict) continue;
    const parts = [["gross", "event by event"], ["blocked", "by day"]].filter(([part]) => hasInterval(verdict[part])).map(([part, said]) => `${said} ${interval(verdict[part])}`);
    if (verdict.labelled_candidate > 0) parts.push(`${count(verdict.labelled_candidate)} of the candidate, ${count(verdict.labelled_stable ?? 0)} of the stable version`);
    all.push([name, words(verdict.phase ?? ""), verdict.reason === analysis.reason ? "" : verdict.reason, ...parts]);
  }
  if (analysis.scores) all.push(["Mean score", `${figure(analysis.scores.candidate)} against ${figure(analysis.scores.stable)}`, "shown, never a reason"]);
  return all;
}

function hasInterval(value) {
  return typeof value?.estimate === "number" || typeof value?.lower === "number";
}

/** "−0.021 (−0.034 to −0.008)"; a side that isn't bounded is open. */
function interval({ estimate, lower, upper }) {
  const signed = (value) => (typeof value === "number" ? `${value < 0 ? "−" : "+"}${figure(Math.abs(value))}` : "open");
  const range = `${signed(lower)} to ${signed(upper)}`;
  return typeof estimate === "number" ? `${signed(estimate)} (${range})` : range;
}

function showVersions(registry) {
  const rows = registry.versions.slice(0, VERSIONS).map((version) => [
    element("span", {}, element("strong", {}, version.version), ...version.aliases.map((alias) => element("span", {}, " ", badge(alias, alias === "champion" ? "delivery-delivered" : "plain")))),
    version.weight === null ? "–" : `${version.weight} %`, version.validation, gateText(version.gate),
    version.retraining ? "trained here" : "brought", `${instant(version.registered)}${version.registered_by ? ` by ${version.registered_by}` : ""}`,
  ]);
  const all = ["Version", "Traffic set", "Validation", "Log loss at the gate", "Origin", "Registered"];
  get("versions").replaceChildren(rows.length === 0 ? element("p", { class: "quiet" }, "No version is registered; “bellwether register” brings one.")
    : table(all, rows, registry.versions.length - rows.length));
}

function gateText(gate) {
  return gate && typeof gate.candidate === "number" ? `${figure(gate.candidate)} against ${figure(gate.stable)}` : "–";
}
