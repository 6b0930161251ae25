// Asks the service: with the entity tag of what is known already, and with a token where one is needed.

const PATIENCE_MILLISECONDS = 10_000;
const ANSWERS_KEPT = 100;
/** Where the token stays until the tab is closed. It never stands in an address. */
const TOKEN = "bellwether-token";

/** Answers by address, the newest last: with their entity tag the service can say that nothing changed. */
const answers = new Map();

/** The service wants a token, or doesn't know the one that it got. */
export class TokenNeeded extends Error {}

export async function ask(path) {
  const known = answers.get(path);
  const headers = known?.tag ? { "If-None-Match": known.tag } : {};
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MILLISECONDS) });
  if (response.status === 304 && known) return { isNew: false, body: known.body };
  if (response.status === 401) throw new TokenNeeded(await problem(response));
  if (!response.ok) throw new Error(await problem(response));
  const body = await response.json();
  answers.delete(path);
  answers.set(path, { tag: response.headers.get("ETag"), body });
  if (answers.size > ANSWERS_KEPT) answers.delete(answers.keys().next().value);
  return { isNew: true, body };
}

/** What was answered last; null where nothing was. */
export function answered(path) {
  return answers.get(path)?.body ?? null;
}

/** Uses a token from now on; an empty one forgets it. */
export function useToken(text) {
  if (text) sessionStorage.setItem(TOKEN, text);
  else sessionStorage.removeItem(TOKEN);
  answers.clear();
}

export function hasToken() {
  return sessionStorage.getItem(TOKEN) !== null;
}

async function problem(response) {
  try {
    return (await response.json()).detail ?? response.statusText;
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}
