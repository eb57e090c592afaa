// The words for codes and times on the screen.

const TOOL_STATUS = {
  running: "Running",
  waiting: "Needs you",
  ok: "Done",
  error: "Failed",
  denied: "Rejected",
  timeout: "Timed out",
  cancelled: "Stopped",
  unknown: "Outcome unknown",
};

/** The status of a call; one that a program runs, or on which others decide, does not need the person at the page. */
export function toolStatusOf({ status, suspension, waitsFor }) {
  return suspension?.kind === "client_exec" || waitsFor ? "Waiting" : TOOL_STATUS[status];
}

const DECISION = {
  approve: "Approved",
  edit: "Approved with changes",
  reject: "Rejected",
  respond: "Answered",
  expire: "Nobody answered in time",
};

/** The principal of a service that has no accounts. */
const NOBODY_ELSE = "local";

/** What was decided about a row, by which principal, and for which reason. */
export function resolutionOf({ resolution: { decision, reason, answer, by }, asked }) {
  const head = `${DECISION[decision] ?? decision}${by && by !== NOBODY_ELSE ? ` by ${by}` : ""}`;
  return [head, reason ?? answerOf(answer, asked?.form?.questions)].filter(Boolean).join("\n");
}

/** An answer as the questions and what was chosen, by the names that the person saw. */
function answerOf(answer, questions) {
  if (answer == null || typeof answer === "string") return answer ?? "";
  if (!questions?.length) return JSON.stringify(answer);
  return questions.map(({ id, prompt, options }) => `${prompt} ${chosen(answer[id], options ?? [])}`).join("\n");
}

function chosen(answer, options) {
  const labels = [answer ?? []].flat().map((value) => options.find((option) => option.value === value)?.label ?? value);
  return labels.join(", ") || "nothing";
}

/** What a conversation of the list does now; nothing when it is idle. */
export function activityOf({ state, rights, last_exit: lastExit }) {
  if (!state || state === "idle") return "";
  if (state === "awaiting_input") return rights?.includes("decide") === false ? "waits for a decision" : "needs you";
  return lastExit === "crash" ? "running, taken up again since its process died" : "running";
}

/** What a sub-agent does now. */
export const SUB_AGENT_STATE = {
  preparing: "is thinking",
  streaming: "is writing",
  executing_tools: "is using tools",
  awaiting_input: "waits for an answer",
};

const STOPS = {
  max_tokens: "The answer reached its length limit.",
  model_context_window_exceeded: "The conversation has outgrown what the model can read.",
  refusal: "The model declined to go on.",
};

const FAILURES = {
  rate_limited: "The model provider is limiting requests. Try again in a moment.",
  overloaded: "The model provider is overloaded. Try again in a moment.",
  unavailable: "The model provider cannot be reached.",
  authentication: "The model provider did not accept the key.",
  invalid_request: "The model provider did not accept the request.",
  stream_broken: "The connection to the model broke off.",
  timeout: "The model took too long to answer.",
};

/** Why an assistant message was cut; empty when it is whole. */
export function endingOf({ status, stopReason }) {
  if (status === "cancelled") return "Stopped by you.";
  if (status === "interrupted") return "Interrupted.";
  return STOPS[stopReason] ?? "";
}

/** What is said of a turn that did not complete. */
export function noticeOf({ outcome, reason, detail }) {
  if (outcome === "cancelled") return "Stopped";
  return FAILURES[reason] ?? detail ?? "The turn failed.";
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const count = new Intl.NumberFormat();
/** Two significant digits, however small the sum. */
const price = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD", maximumSignificantDigits: 2 });
const MICRO = 1_000_000;
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

export const countOf = (number) => count.format(number);
/** A cost in millionths of a US dollar. */
export const costOf = (micros) => price.format(micros / MICRO);
export const timeOf = (at) => clock.format(at);

/** A number of bytes for people. */
export function sizeOf(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const kilobytes = bytes / 1024;
  return kilobytes < 1024 ? `${kilobytes.toFixed(kilobytes < 10 ? 1 : 0)} KB` : `${(kilobytes / 1024).toFixed(1)} MB`;
}
export const instantOf = (at) => full.format(at);

/** How far off `at` is, in the largest unit that fits. */
export function distanceTo(at, now = Date.now()) {
  const seconds = Math.round((at - now) / 1000);
  if (seconds > 0 && seconds < 60) return relative.format(seconds, "second");
  const minutes = Math.round(seconds / 60);
  if (Math.abs(minutes) < 60) return relative.format(minutes, "minute");
  if (Math.abs(minutes) < 48 * 60) return relative.format(Math.round(minutes / 60), "hour");
  return relative.format(Math.round(minutes / 1440), "day");
}

/** The heading under which a conversation last touched at `at` is listed. */
export function dayOf(at, now = new Date()) {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  if (at >= midnight) return "Today";
  if (at >= midnight - 86_400_000) return "Yesterday";
  return at >= midnight - 7 * 86_400_000 ? "Last seven days" : "Earlier";
}
