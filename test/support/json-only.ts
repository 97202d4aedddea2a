import { TestRunner } from "vitest";

/** What Protobuf cannot show of a test in JSON, with the tests, by the end of their names. */
const onlyJson: readonly (readonly [reason: string, names: readonly string[]])[] = [
  [
    "the fields of Protobuf have types",
    [
      "a request that is not an object counts as an empty one",
      "a negative id closes with 3501",
      "an id that is a text closes with 3501",
      "an id that is not whole closes with 3501",
      "that is no text closes with 3500, without a reply and without a report",
      "a refresh without a handler is refused with 108, and one without a token with 107",
      "without any handlers is refused with 108, of an unknown method with 104, without a method with 107",
      "with a limit that is a text is refused with 107",
      "with a limit that is not whole is refused with 107",
      "with a limit past 2^53 is refused with 107",
      "with since that is a number is refused with 107",
      "with since that is a list is refused with 107",
      "with since with an epoch that is a number is refused with 107",
      "with a channel that is a number is an error of that command alone",
      "with an offset that is not whole is an error of that command alone",
      "with an offset that is a text is an error of that command alone",
      "with an epoch that is a number is an error of that command alone",
      "with a flag that is a text is an error of that command alone",
    ],
  ],
  [
    "UTF-8 has no lone surrogates",
    [
      "with a lone high surrogate are refused with 107, and are a TypeError for the publisher",
      "with a lone low surrogate are refused with 107, and are a TypeError for the publisher",
    ],
  ],
  [
    "the sizes are those of JSON",
    [
      "never gets more than a window and one publication, however much is published",
      "catches up on many channels, each in order",
      "takes the same memory for any number of joins and leaves of others, and is not closed for them",
      "returns no more than the limit of publications, and no more than a window",
      "of more than a window gets one window in the reply, and the rest as pushes, in order",
      "into an almost full window is answered without publications, and all of them follow",
      "together take at most one window of the connect reply, and the rest follows",
      "that the client made is pushed as unsubscribe 2500, after which a resubscribe works",
      "a message is measured in bytes",
      "a message of 1 MiB is read, one byte more closes with 1009",
      "may be 1 048 576 characters; one more closes with 3013",
      "of all sessions together are bounded: a session that needs more is closed, a small one is not",
    ],
  ],
  [
    "the stock decoder loses what is named __proto__",
    [
      "the server's subscriptions are in the reply, each with its position",
      "publications carry their tags and their time",
      "__proto__ is a channel, a user and a method like any other",
    ],
  ],
  [
    "this depth is more than the translation to Protobuf can have",
    [
      "data nested as deep as a message allows is published or refused, nothing is reported, and the connection stays open",
    ],
  ],
  [
    "of a message with two commands, Protobuf reads neither",
    ["of 64 levels in a command is fine, one more is answered with 107, and the command is not executed"],
  ],
];

/** Skips the current test if only JSON can show what it is about. */
export function skipIfOnlyJson(): void {
  const current = TestRunner.getCurrentTest();
  const reason = onlyJson.find(([, names]) => current !== undefined && names.includes(current.name))?.[0];
  if (reason !== undefined) current?.context.skip(reason);
}
