import { describe, expect, test } from "vitest";
import { type AgentPresenter, agentMessages, agentPresenter } from "../../src/agent.ts";

const severities: [string, string][] = [
  ["authentication", "critical"],
  ["Authentication_Failed", "critical"],
  ["AuthenticationError", "critical"],
  ["AUTHORIZATION", "critical"],
  ["user.authorization.denied", "critical"],
  ["database", "critical"],
  ["DatabaseError", "critical"],
  ["connection-database-lost", "critical"],
  ["network", "critical"],
  ["Network Error", "critical"],
  ["NETWORK_UNREACHABLE", "critical"],
  ["timeout", "high"],
  ["TimeoutError", "high"],
  ["HTTPTimeoutError", "high"],
  ["http2Timeout", "high"],
  ["request timeout", "high"],
  ["rate_limit", "high"],
  ["RateLimitError", "high"],
  ["rate-limit", "high"],
  ["rate.limit.exceeded", "high"],
  ["API_RATE_LIMIT", "high"],
  ["validation", "high"],
  ["ValidationError", "high"],
  // Where two kinds match, the more severe one counts.
  ["timeout_network", "critical"],
  ["network_timeout", "critical"],
  ["RateLimitOfDatabase", "critical"],
  // The kind is not a whole word of the name.
  ["networking", "medium"],
  ["NetworkingError", "medium"],
  ["timeouts", "medium"],
  ["invalidation", "medium"],
  ["reauthentication", "medium"],
  ["databases", "medium"],
  ["rate", "medium"],
  ["limit_rate", "medium"],
  ["rate_of_limit", "medium"],
  ["rates_limit", "medium"],
  ["Error", "medium"],
  ["", "medium"],
  ["constructor", "medium"],
  ["__proto__", "medium"],
  ["ошибка", "medium"],
];

describe("A5: the severity of", () => {
  test.for(severities)("%j is %s", ([type, severity]) => {
    expect(agentPresenter.severityOf(type)).toBe(severity);
  });
});

test.for(["authentication", "authorization", "database", "network", "timeout", "rate_limit", "validation"])(
  "A5: %s has a sentence and suggestions of its own",
  (type) => {
    const other = agentPresenter.sentenceFor("whatever");
    expect(agentPresenter.sentenceFor(type)).toMatch(/^[A-Z].+[.]$/);
    expect(agentPresenter.sentenceFor(type)).not.toBe(other);
    expect(agentPresenter.suggestionsFor(type).length).toBe(2);
    expect(agentPresenter.suggestionsFor(type)).not.toEqual(agentPresenter.suggestionsFor("whatever"));
  },
);

test("A5: changes of the returned suggestions do not affect later ones", () => {
  (agentPresenter.suggestionsFor("timeout") as string[]).push("Panic");
  expect(agentPresenter.suggestionsFor("timeout")).toEqual(["Try again", "Ask for less at a time"]);
  expect(Object.isFrozen(agentPresenter)).toBe(true);
});

class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}

describe("an agent's error", () => {
  const agent = agentMessages({ run: "42", agentName: "Researcher", now: () => 5 });

  test("A5: gets from the presenter what its caller left out", () => {
    expect(agent.error(new TimeoutError("30 s"))).toStrictEqual({
      type: "agent_error",
      run: "42",
      agent_name: "Researcher",
      timestamp: 5,
      error_message: "30 s",
      error_type: "TimeoutError",
      error_details: {},
      severity: "high",
      is_recoverable: false,
      recovery_suggestions: ["Try again", "Ask for less at a time"],
      user_friendly_message: "This took longer than we could wait.",
    });
  });

  test("A5: keeps what its caller passed", () => {
    const own = {
      error_details: { after_ms: 30_000 },
      severity: "low",
      is_recoverable: true,
      recovery_suggestions: [],
      estimated_retry_delay_ms: 5,
      user_friendly_message: "One moment",
    } as const;
    const expected = {
      type: "agent_error",
      run: "42",
      agent_name: "Researcher",
      timestamp: 5,
      error_message: "30 s",
      error_type: "TimeoutError",
      ...own,
    };
    expect(agent.error(new TimeoutError("30 s"), own)).toStrictEqual(expected);
    expect(agent.error({ error_message: "30 s", error_type: "TimeoutError", ...own })).toStrictEqual(
      expected,
    );
  });

  test("A5: is presented by the type that its caller passed", () => {
    expect(agent.error(new TimeoutError("30 s"), { error_type: "database" })).toMatchObject({
      error_type: "database",
      severity: "critical",
    });
  });

  test("A5: is completed where its caller passed undefined", () => {
    const own = {
      error_type: undefined,
      severity: undefined,
      is_recoverable: undefined,
    } as unknown as object;
    expect(agent.error(new TimeoutError("30 s"), own)).toMatchObject({
      error_type: "TimeoutError",
      severity: "high",
      is_recoverable: false,
    });
  });

  test("A5: is presented by a presenter that replaces the default one", () => {
    const presenter: AgentPresenter = {
      ...agentPresenter,
      severityOf: (type) => (type === "TimeoutError" ? "low" : "critical"),
      sentenceFor: (type) => `Das war ${type}.`,
    };
    const german = agentMessages({ run: "42", presenter });
    expect(german.error(new TimeoutError("30 s"))).toMatchObject({
      severity: "low",
      recovery_suggestions: ["Try again", "Ask for less at a time"],
      user_friendly_message: "Das war TimeoutError.",
    });
  });

  test("has nothing of a stack", () => {
    const error = new TimeoutError("30 s", { cause: new Error("inner") });
    const json = JSON.stringify(agent.error(error));
    expect(json).not.toMatch(/inner|agent-presenter|node_modules| at \S+:\d/);
  });
});
