// What a turn used, added up from the answers that the page holds.

/** `{answers, input, cached, output, cost}` of `turn`; `cost` in millionths of a US dollar, null without prices. */
export function usageOf(events, turn) {
  const answers = events.filter((event) => event.type === "assistant_msg" && event.turn === turn);
  const sum = (...names) => total(answers.flatMap(({ usage }) => names.map((name) => usage?.[name] ?? 0)));
  const priced = answers.filter(({ cost }) => cost != null);
  return {
    answers: answers.length,
    input: sum("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    cached: sum("cache_read_input_tokens"),
    output: sum("output_tokens"),
    cost: priced.length ? total(priced.map(({ cost }) => cost)) : null,
  };
}

const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
