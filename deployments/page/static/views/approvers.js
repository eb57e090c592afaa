// Whom a question waits for, in words.

const NAMES = {
  owner: ({ owner }) => owner,
  members: ({ owner }) => `${owner} or an approver of this conversation`,
  admin: ({ owner }) => `an admin of ${owner.split("/")[0]}`,
  another: (_, askedBy) => `another person than ${askedBy.join(" and ") || "the one who asked"}`,
};

/** Who may decide what a call waits for, in a conversation of which `meta` is known. */
export function approversOf({ approvers, askedBy }, meta) {
  if (!meta?.owner) return "a person who may decide";
  if (approvers.length === 0) return `${meta.owner}, or a member who may decide`;
  return approvers.map((approver) => NAMES[approver]?.(meta, askedBy) ?? approver).join(", who is also ");
}
