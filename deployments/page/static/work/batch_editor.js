// The form of a new batch: its rows, the agent that gets them, and how a row becomes a message, shown while one writes.

import { addressOf } from "../address.js";
import { h, icon } from "../views/element.js";
import { button, complain, errorLine } from "../views/form_parts.js";
import { sizeOf } from "../views/words.js";
import * as api from "./api.js";
import { batchAddress } from "./batches.js";
import { Alternatives, field, modelInput, reasonOf, selectInput, textArea, textInput, viewForm } from "./field.js";
import { firstRows } from "./first_rows.js";
import { messageOf } from "./template.js";

const ACCEPTED = ".jsonl,.ndjson,.json,.parquet,.gz,.zst,.bz2,.xz,.lz4";
const THEN = { keep: "Keep them", archive: "Archive them", delete: "Delete them" };

export class BatchEditor {
  tab = "batches";
  title = "New batch";
  node;
  #inputs;
  #rows;
  #give = new AbortController();
  /** The file that is with the service already, and its id there. */
  #sent = { file: null, id: null };
  #first = null;
  #columns = h("div", { class: "columns" });
  #preview = h("div", { class: "next-times", role: "status" });
  #progress = h("div", { class: "progress", hidden: true });
  #error = errorLine();
  #begin = h("button", { class: "button primary" }, "Begin");

  constructor({ agents }) {
    this.#inputs = inputsFor(agents);
    const back = addressOf(["work", "batches"]);
    const up = h("a", { class: "icon-button", href: back, "aria-label": "All batches", title: "All batches" }, icon("back"));
    const header = h("header", { class: "view-head" }, up, h("h2", { id: "view-title" }, this.title));
    const { name, agent, model, template } = this.#inputs;
    this.#rows = this.#rowFields();
    const note = h("span", {}, "Fields stand in double braces, such as ", h("code", {}, "{{subject}}"), " or ", h("code", {}, "{{customer.name}}"), ". Without a template each row has its message in the field ", h("code", {}, "message"), ".");
    const form = viewForm((event) => this.#submit(event));
    const actions = h("div", { class: "actions" }, this.#begin, h("a", { class: "button", href: back }, "Discard"));
    form.append(field("Name", name), this.#rows.node, h("div", { class: "field-grid" }, field("Agent", agent), field("Model", model)));
    form.append(field("Message of each row", template, note), this.#columns, this.#preview, this.#rules(), this.#progress, this.#error, actions);
    this.#inputs.file.addEventListener("change", () => this.#chosen());
    template.addEventListener("input", () => this.#show());
    this.#rows.node.addEventListener("change", () => this.#show());
    this.node = h("div", { class: "view" }, header, form);
    this.#show();
  }

  close() {
    this.#give.abort();
  }

  #rowFields() {
    const { file, source } = this.#inputs;
    const choices = [
      { value: "file", label: "A file", fields: [field("File", file, "JSON Lines or Parquet, plain or compressed.")] },
      { value: "source", label: "A URL", fields: [field("URL", source, "The service fetches it: https, or a store that the operator has named.")] },
    ];
    return new Alternatives("Rows", choices, "file");
  }

  #rules() {
    const { concurrency, columns, conversations, pauseAfter, out, provider } = this.#inputs;
    const cheaper = h("label", { class: "choice" }, provider, "Through the provider's own batches: cheaper, and up to a day; for agents without tools");
    const fields = [
      field("Rows at once", concurrency),
      field("Pauses itself after", pauseAfter, "Failed rows in a row; 0: never."),
      field("Conversations, when it is done", conversations),
      field("Fields that the results have too", columns, "Their names, with commas between."),
      field("Write the results to", out, "A URL, beside the downloads here."),
    ];
    return h("details", { class: "fold" }, h("summary", {}, "Rules and results"), h("div", { class: "field-grid" }, fields), cheaper);
  }

  // -- what a row becomes

  async #chosen() {
    const [file] = this.#inputs.file.files;
    this.#first = null;
    try {
      if (file) this.#first = await firstRows(file);
    } catch {
      // What the browser cannot read, the service may.
    }
    if (file === this.#inputs.file.files[0]) this.#show();
  }

  #show() {
    const [file] = this.#inputs.file.files;
    const isFile = this.#rows.value === "file";
    const first = isFile ? this.#first : null;
    const insert = (name) => button(name, "chip-button", () => this.#insert(`{{${name}}}`));
    const names = first?.columns.map(insert) ?? [];
    this.#columns.replaceChildren(...(names.length > 0 ? [h("span", { class: "quiet" }, "Fields: "), ...names] : []));
    if (!isFile || !file) return this.#preview.replaceChildren(h("p", { class: "quiet" }, "The first message is shown here once a file is chosen."));
    if (!first) return this.#preview.replaceChildren(h("p", { class: "quiet" }, `${file.name}, ${sizeOf(file.size)}: its rows are read by the service.`));
    this.#preview.replaceChildren(...firstMessage(first, this.#inputs.template.value));
  }

  #insert(text) {
    const { template } = this.#inputs;
    template.setRangeText(text, template.selectionStart, template.selectionEnd, "end");
    template.focus();
    this.#show();
  }

  // -- sending

  async #submit(event) {
    event.preventDefault();
    this.#begin.disabled = true;
    complain(this.#error, "");
    try {
      const rows = this.#rows.value === "file" ? { file: await this.#send() } : { source: this.#inputs.source.value.trim() };
      const batch = await api.createBatch({ ...rows, ...this.#definition() });
      if (this.node.isConnected) location.hash = batchAddress(batch.id);
    } catch (error) {
      if (error.name !== "AbortError") complain(this.#error, reasonOf(error));
    } finally {
      this.#begin.disabled = false;
      this.#progress.hidden = true;
    }
  }

  /** Sends the file, unless the service has it; its id there. */
  async #send() {
    const [file] = this.#inputs.file.files;
    if (this.#sent.file === file) return this.#sent.id;
    const bar = h("progress", { max: file.size, value: 0, "aria-label": "Sent" });
    const words = h("span", { class: "quiet" });
    this.#progress.replaceChildren(bar, words);
    this.#progress.hidden = false;
    const tell = (sent) => {
      bar.value = sent;
      words.textContent = `${sizeOf(sent)} of ${sizeOf(file.size)} sent`;
    };
    tell(0);
    const { id } = await api.sendBatchFile(file, tell, this.#give.signal);
    this.#sent = { file, id };
    return id;
  }

  #definition() {
    const { name, agent, model, template, concurrency, columns, conversations, pauseAfter, out, provider } = this.#inputs;
    const names = columns.value.split(",").map((one) => one.trim()).filter(Boolean);
    return {
      name: name.value.trim(),
      agent: agent.value,
      ...(model.value && { model: model.value }),
      ...(template.value.trim() && { template: template.value }),
      ...(out.value.trim() && { out: out.value.trim() }),
      concurrency: Number(concurrency.value),
      columns: names,
      conversations: conversations.value,
      pause_after: Number(pauseAfter.value),
      provider_batch: provider.checked,
    };
  }
}

function inputsFor(agents) {
  const agent = selectInput(agents.default, agents.items.map(({ name }) => [name, name]));
  const plain = { spellcheck: "false" };
  const count = { type: "number", required: true, step: "1" };
  return {
    name: textInput("", { maxlength: "200", placeholder: "Tickets of May" }),
    file: h("input", { type: "file", required: true, accept: ACCEPTED }),
    source: textInput("", { ...plain, type: "url", required: true, maxlength: "2048", placeholder: "https://…/rows.jsonl" }),
    agent,
    model: modelInput(agent, null, agents),
    template: textArea("", { ...plain, placeholder: "Classify this ticket: {{subject}}\n\n{{body}}" }),
    concurrency: textInput("64", { ...count, min: "1", max: "500" }),
    pauseAfter: textInput("100", { ...count, min: "0", max: "1000000" }),
    conversations: selectInput("keep", Object.entries(THEN)),
    columns: textInput("", plain),
    out: textInput("", { ...plain, maxlength: "2048" }),
    provider: h("input", { type: "checkbox" }),
  };
}

/** What the first row becomes, and which of the other first ones become nothing. */
function firstMessage({ rows, isWhole }, template) {
  if (rows.length === 0) return [h("p", { class: "form-error" }, isWhole ? "The file has no rows." : "Its first lines are empty.")];
  const told = rows.map((row) => said(row, template));
  const problems = told.flatMap(({ problem }, index) => (problem ? [h("p", { class: "form-error" }, `Row ${index + 1}: ${problem}`)] : []));
  const message = told.find(({ words }) => words !== undefined)?.words;
  return [message !== undefined && h("p", { class: "quiet" }, "The first message"), message !== undefined && h("p", { class: "first-message", dir: "auto" }, message), ...problems].filter(Boolean);
}

function said(row, template) {
  if (row === null) return { problem: "It is no JSON object." };
  try {
    return { words: messageOf(template.trim() ? template : null, row) };
  } catch (error) {
    return { problem: error.message };
  }
}
