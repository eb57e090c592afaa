// What is remembered, as a list that can be searched, with where each came from.

import { addressOf, conversationAddress } from "../address.js";
import { h } from "../views/element.js";
import { ListView } from "../work/list_view.js";
import { moment } from "../work/parts.js";
import * as api from "./api.js";

export const memoryAddress = (id) => addressOf(["memory", "remembered", id]);

export function memoryList(params, { who, link }) {
  const add = h("a", { class: "button primary", href: addressOf(["memory", "new"]) }, "Add");
  return new ListView({
    title: "Remembered",
    tab: "remembered",
    head: who.scopes.includes("write") ? [add] : [],
    fields: [{ name: "q", label: "Search" }],
    params,
    link,
    ask: async (wanted) => {
      const { memories, next } = await api.memories(wanted);
      return { items: memories, next };
    },
    columns: [
      { title: "What", cell: ({ id, text }) => [h("a", { href: memoryAddress(id), dir: "auto" }, text)] },
      { title: "From", cell: ({ source }) => sourceOf(source) },
      { title: "When", cell: ({ updated_at: at }) => moment(at), wide: true },
    ],
    empty: "Nothing yet. What agents remember of you is listed here, and only you see it.",
  });
}

/** Where a memory came from: a conversation, or the person. */
export function sourceOf({ conversation, channel, agent, by }) {
  if (!conversation) return [by === "person" ? "you" : by ?? ""];
  const link = h("a", { href: conversationAddress(conversation) }, agent ?? "a conversation");
  return [link, channel && h("span", { class: "quiet under" }, channel)];
}
