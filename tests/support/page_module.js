// Client tools that the tests add to the page, as an operator would.

window.runs = [];

window.raylogue.clientTool("ring", async ({ times }, { toolCallId, conversationId }) => {
  window.runs.push({ toolCallId, conversationId });
  if (window.isSilent) await new Promise(() => {});
  if (times > 3) throw new Error("the bell is broken");
  return { rang: times };
});
