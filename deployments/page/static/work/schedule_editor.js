// The form of a schedule: when it is due, with the next times while one writes; what runs; and by which rules.

import { addressOf } from "../address.js";
import { newId } from "../outbox.js";
import { h, icon } from "../views/element.js";
import { complain, errorLine } from "../views/form_parts.js";
import * as api from "./api.js";
import { Alternatives, field, localValue, modelInput, momentIn, ownZone, reasonOf, selectInput, textArea, textInput, viewForm } from "./field.js";
import { scheduleAddress } from "./schedules.js";
import { dueTime, INTERVAL_UNITS, MISSED, OVERLAP, unitsOf } from "./schedule_words.js";

const HURRY = 300;
/** What people write most, as suggestions. */
const EXPRESSIONS = [
  ["0 9 * * *", "every day at nine"],
  ["0 9 * * 1-5", "at nine on working days"],
  ["0 9 * * 1", "on Mondays at nine"],
  ["0 9 1 * *", "on the first of each month at nine"],
  ["*/15 * * * *", "every quarter of an hour"],
  ["@hourly", "every hour"],
];
const NEW = { cron: "0 9 * * 1-5", overlap: "skip", missed: "once", max_failures: 10, jitter: 0 };

export class ScheduleEditor {
  tab = "schedules";
  title;
  node;
  #schedule;
  /** By what the service knows a schedule that is saved twice, because the first answer was lost. */
  #clientId = newId();
  #timer = null;
  #asked = 0;
  /** The timing whose next times are shown, or on their way. */
  #shown = null;
  #inputs;
  #when;
  #what;
  #next = h("div", { class: "next-times", role: "status" });
  #error = errorLine();
  #save = h("button", { class: "button primary" }, "Save");

  /** `schedule` is the one that is changed, null: a new one is made. */
  constructor(schedule, { agents }) {
    this.#schedule = schedule;
    this.title = schedule ? `Change ${schedule.name}` : "New schedule";
    this.#inputs = inputsFor({ ...NEW, zone: ownZone(), agent: agents.default, ...schedule }, agents);
    this.#when = this.#whenFields(schedule);
    this.#what = this.#whatFields(schedule);
    const back = schedule ? scheduleAddress(schedule.id) : addressOf(["work", "schedules"]);
    const up = h("a", { class: "icon-button", href: back, "aria-label": "Back", title: "Back" }, icon("back"));
    const header = h("header", { class: "view-head" }, up, h("h2", { id: "view-title", dir: "auto" }, this.title));
    const actions = h("div", { class: "actions" }, this.#save, h("a", { class: "button", href: back }, "Discard"));
    const form = viewForm((event) => this.#submit(event));
    form.append(field("Name", this.#inputs.name), this.#what.node, this.#when.node, this.#next, this.#rules(), this.#error, actions);
    form.addEventListener("input", () => this.#soon());
    this.node = h("div", { class: "view" }, header, form);
    this.#preview();
  }

  close() {
    clearTimeout(this.#timer);
    this.#asked = -1;
  }

  #whenFields(schedule) {
    const { cron, zone, number, unit } = this.#inputs;
    const expressions = h("datalist", { id: "expressions" }, EXPRESSIONS.map(([value, label]) => h("option", { value, label })));
    const zones = h("datalist", { id: "zones" }, Intl.supportedValuesOf("timeZone").map((value) => h("option", { value })));
    const note = "Minute, hour, day of the month, month, day of the week; six fields begin with the second.";
    const clock = [field("Cron expression", cron, note), field("Time zone", zone), expressions, zones];
    const interval = h("div", { class: "field" }, h("span", { class: "label" }, "Every"), h("div", { class: "pair" }, number, unit));
    const choices = [
      { value: "cron", label: "By the clock", fields: clock },
      { value: "every", label: "At an interval", fields: [interval] },
    ];
    return new Alternatives("When", choices, schedule?.every ? "every" : "cron");
  }

  #whatFields(schedule) {
    const { agent, model, conversation, prompt, quiet, job, payload } = this.#inputs;
    const note = h("span", {}, "It may hold ", ...["date", "time", "due", "zone", "name"].flatMap((name) => [h("code", {}, `{{${name}}}`), " "]), "of its run.");
    const says = [field("Prompt", prompt, note), field("No news is", quiet, "An answer that is exactly this makes no notice. Empty: as the agent says.")];
    const choices = [
      { value: "agent", label: "An agent, in a conversation for each run", fields: [field("Agent", agent), field("Model", model)] },
      { value: "conversation", label: "A message to one conversation", fields: [field("Conversation", conversation, "Its id.")] },
      { value: "job", label: "A job", fields: [field("Type of job", job), field("Payload", payload, "JSON; its texts may hold the same placeholders.")] },
    ];
    const chosen = schedule?.job ? "job" : schedule?.conversation ? "conversation" : "agent";
    const what = new Alternatives("What runs", choices, chosen);
    const show = () => {
      for (const part of says) part.hidden = what.value === "job";
      for (const input of [prompt, quiet]) input.disabled = what.value === "job";
    };
    what.node.append(...says);
    what.node.addEventListener("change", show);
    show();
    return what;
  }

  #rules() {
    const { overlap, missed, start, end, jitter, failures } = this.#inputs;
    const fields = [
      field("If the run before is not over", overlap),
      field("What was missed while the service was away", missed),
      field("Not before", start, `On the clock of ${ownZone()}.`),
      field("Not after", end, `On the clock of ${ownZone()}.`),
      field("Spread over", jitter, "Seconds after each due time within which its run begins."),
      field("Pauses itself after", failures, "Failed runs in a row; 0: never."),
    ];
    return h("details", { class: "fold" }, h("summary", {}, "Rules and dates"), h("div", { class: "field-grid" }, fields));
  }

  // -- the next times, while one writes

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#preview(), HURRY);
  }

  async #preview() {
    const timing = this.#timing();
    if (JSON.stringify(timing) === this.#shown) return;
    this.#shown = JSON.stringify(timing);
    const asked = ++this.#asked;
    if (timing.cron === "" || timing.every === 0) return this.#next.replaceChildren();
    try {
      const { next } = await api.previewSchedule(withoutNulls(timing));
      if (asked === this.#asked) this.#next.replaceChildren(...nextTimes(next, timing.zone));
    } catch (error) {
      if (asked !== this.#asked) return;
      this.#shown = null; // it may be asked for again
      this.#next.replaceChildren(h("p", { class: "form-error" }, reasonOf(error)));
    }
  }

  #timing() {
    const { cron, zone, number, unit, start, end } = this.#inputs;
    const bounds = { start: momentIn(start), end: momentIn(end) };
    if (this.#when.value === "every") return { cron: null, every: Math.round(Number(number.value) * Number(unit.value)), zone: zone.value.trim() || ownZone(), ...bounds };
    return { cron: cron.value.trim(), every: null, zone: zone.value.trim(), ...bounds };
  }

  #subject() {
    const { agent, model, conversation, prompt, quiet, job, payload } = this.#inputs;
    const what = this.#what.value;
    const none = { agent: null, model: null, conversation: null, prompt: null, quiet: null, job: null, payload: null };
    if (what === "job") return { ...none, job: job.value.trim(), payload: payload.value.trim() ? JSON.parse(payload.value) : null };
    const said = { ...none, prompt: prompt.value, quiet: quiet.value || null };
    if (what === "conversation") return { ...said, conversation: conversation.value.trim() };
    return { ...said, agent: agent.value, model: model.value || null };
  }

  /** Tells what is different alone: with another timing, what is due counts from now on. */
  async #change(definition) {
    const isOther = ([name, value]) => JSON.stringify(value) !== JSON.stringify(this.#schedule[name] ?? null);
    const changes = Object.entries(definition).filter(isOther);
    return changes.length > 0 ? api.changeSchedule(this.#schedule.id, Object.fromEntries(changes)) : this.#schedule;
  }

  async #submit(event) {
    event.preventDefault();
    this.#save.disabled = true;
    complain(this.#error, "");
    try {
      const { name, overlap, missed, jitter, failures } = this.#inputs;
      const rules = { overlap: overlap.value, missed: missed.value, jitter: Number(jitter.value), max_failures: Number(failures.value) };
      const definition = { name: name.value.trim(), ...this.#timing(), ...this.#subject(), ...rules };
      const kept = this.#schedule ? await this.#change(definition) : await api.createSchedule({ ...withoutNulls(definition), client_id: this.#clientId });
      location.hash = scheduleAddress(kept.id);
    } catch (error) {
      complain(this.#error, error instanceof SyntaxError ? `The payload is no JSON: ${error.message}` : reasonOf(error));
    } finally {
      this.#save.disabled = false;
    }
  }
}

/** The view that changes the schedule `id`, once it has been fetched. */
export function editSchedule(id, context) {
  let editor = null;
  let isOpen = true;
  const title = "Change a schedule";
  const node = h("div", { class: "view" }, h("h2", { id: "view-title" }, title), h("p", { class: "quiet", role: "status" }, "…"));
  const show = (schedule) => {
    if (!isOpen) return;
    editor = new ScheduleEditor(schedule, context);
    node.replaceWith(editor.node);
  };
  const refuse = (error) => (node.lastChild.textContent = error.message);
  api.schedule(id).then(show, refuse);
  return { tab: "schedules", title, node, close: () => ((isOpen = false), editor?.close()) };
}

function inputsFor(known, agents) {
  const [number, unit] = unitsOf(known.every ?? 3_600);
  const names = [...new Set([...agents.items.map(({ name }) => name), known.agent])].filter(Boolean);
  const agent = selectInput(known.agent ?? agents.default, names.map((name) => [name, name]));
  const plain = { spellcheck: "false" };
  const count = { type: "number", required: true, min: "0", step: "1" };
  return {
    name: textInput(known.name, { required: true, maxlength: "120", placeholder: "Morning report" }),
    cron: textInput(known.cron ?? NEW.cron, { ...plain, required: true, maxlength: "200", list: "expressions" }),
    zone: textInput(known.zone, { ...plain, required: true, list: "zones" }),
    number: textInput(String(number), { ...count, min: "1", "aria-label": "Number" }),
    unit: selectInput(String(unit), INTERVAL_UNITS, { "aria-label": "Unit" }),
    agent,
    model: modelInput(agent, known.model, agents),
    conversation: textInput(known.conversation, { ...plain, required: true }),
    prompt: textArea(known.prompt, { required: true, maxlength: "32000", placeholder: "Write a report of what happened until {{date}}." }),
    quiet: textInput(known.quiet, { ...plain, maxlength: "200" }),
    job: textInput(known.job, { ...plain, required: true, maxlength: "128" }),
    payload: textArea(known.payload ? JSON.stringify(known.payload, null, 2) : "", { ...plain, class: "code-input", dir: "ltr" }),
    overlap: selectInput(known.overlap, Object.entries(OVERLAP)),
    missed: selectInput(known.missed, Object.entries(MISSED)),
    start: h("input", { type: "datetime-local", value: localValue(known.start) }),
    end: h("input", { type: "datetime-local", value: localValue(known.end) }),
    jitter: textInput(String(known.jitter), { ...count, max: "86400" }),
    failures: textInput(String(known.max_failures), { ...count, max: "1000" }),
  };
}

/** The nodes for due times (ms). */
function nextTimes(due, zone) {
  if (due.length === 0) return [h("p", { class: "quiet" }, "It is never due.")];
  return [h("p", { class: "quiet" }, "Next times"), h("ol", { class: "times" }, due.map((at) => h("li", {}, dueTime(at, zone))))];
}

const withoutNulls = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
