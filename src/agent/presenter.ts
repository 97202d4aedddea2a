import type { AgentSeverity } from "../model/agent-event.ts";

/**
 * Provides what people are shown about an error, by its type. Every text can be replaced.
 *
 * An implementation MUST return a value for every type, and MUST NOT return anything that people should not see.
 */
export interface AgentPresenter {
  /** Returns the severity of an error of this type. */
  severityOf(type: string): AgentSeverity;
  /** Returns what the user can do about the error, the most promising first. */
  suggestionsFor(type: string): readonly string[];
  /** Returns what happened, in one sentence for somebody who does not know the program. */
  sentenceFor(type: string): string;
}

interface Kind {
  /** The consecutive words that a type of this kind contains. */
  readonly words: readonly string[];
  readonly severity: AgentSeverity;
  readonly sentence: string;
  readonly suggestions: readonly string[];
}

/** The most severe first: a type that contains the words of two kinds is of the first one. */
const kinds: readonly Kind[] = [
  {
    words: ["authentication"],
    severity: "critical",
    sentence: "We could not confirm who you are.",
    suggestions: ["Sign in again", "Check that your credentials are still valid"],
  },
  {
    words: ["authorization"],
    severity: "critical",
    sentence: "You do not have permission for this.",
    suggestions: ["Ask an administrator for access", "Sign in with another account"],
  },
  {
    words: ["database"],
    severity: "critical",
    sentence: "We could not reach your data just now.",
    suggestions: ["Try again in a few minutes", "Contact support if it keeps happening"],
  },
  {
    words: ["network"],
    severity: "critical",
    sentence: "The connection to a service we need was lost.",
    suggestions: ["Check your connection", "Try again in a moment"],
  },
  {
    words: ["timeout"],
    severity: "high",
    sentence: "This took longer than we could wait.",
    suggestions: ["Try again", "Ask for less at a time"],
  },
  {
    words: ["rate", "limit"],
    severity: "high",
    sentence: "Too many requests were made in a short time.",
    suggestions: ["Wait a minute, then try again", "Make fewer requests at a time"],
  },
  {
    words: ["validation"],
    severity: "high",
    sentence: "Something in the request is not as it should be.",
    suggestions: ["Check what you entered", "Correct it and send it again"],
  },
];

const other: Omit<Kind, "words"> = {
  severity: "medium",
  sentence: "Something went wrong on our side.",
  suggestions: ["Try again", "Contact support if it keeps happening"],
};

/**
 * Presents errors by the whole words in their type, ignoring case. The severity of authentication, authorization,
 * database and network is critical; of timeout, rate limit and validation high; of anything else medium.
 *
 * @example
 * ```ts
 * import { type AgentPresenter, agentPresenter } from "tocsin/agent";
 *
 * const german: AgentPresenter = { ...agentPresenter, sentenceFor: () => "Etwas ist schiefgegangen." };
 * ```
 */
export const agentPresenter: AgentPresenter = Object.freeze({
  severityOf: (type: string): AgentSeverity => kindOf(type).severity,
  suggestionsFor: (type: string): readonly string[] => [...kindOf(type).suggestions],
  sentenceFor: (type: string): string => kindOf(type).sentence,
});

function kindOf(type: string): Omit<Kind, "words"> {
  const words = wordsOf(type);
  const holds = (kind: Kind): boolean =>
    words.some((_, start) => kind.words.every((word, i) => words[start + i] === word));
  return kinds.find(holds) ?? other;
}

/** Splits a type at capitals, and at anything but letters and digits: `HTTPTimeout_error` has three words. */
function wordsOf(type: string): string[] {
  return type
    .replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, "$1 $2")
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, "$1 $2")
    .split(/[^\p{L}\p{N}]+/u)
    .map((word) => word.toLowerCase());
}
