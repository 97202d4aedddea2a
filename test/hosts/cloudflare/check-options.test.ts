import { expect, test } from "vitest";
import { checkOptions } from "../../../src/hosts/cloudflare/check-options.ts";
import type { NotifierObjectOptions } from "../../../src/hosts/cloudflare/options.ts";

const check = (options: unknown) => () => checkOptions(options as NotifierObjectOptions);

test("everything that has a type is accepted", () => {
  const every: Required<NotifierObjectOptions> = {
    authenticate: () => null,
    authorize: () => true,
    codecs: [],
    events: undefined,
    grace: 1,
    heartbeat: 1,
    limits: {},
    log: { size: 1, bytes: 1, ttl: 1, slack: 1, totalBytes: 1 },
    onError() {},
    onRefused() {},
    onUndelivered() {},
    origins: [],
    peer: () => ({}),
    redact: () => ({ name: "", message: "" }),
    rpc: {},
    window: 1,
  };
  expect(check(every)).not.toThrow();
  expect(check({})).not.toThrow();
  expect(check({ authenticate: undefined, peer: undefined, log: undefined })).not.toThrow();
});

test.each<[unknown, string]>([
  [undefined, 'Cannot use "undefined": options() has to return an object at once, and no promise of one'],
  [null, 'Cannot use "null": options() has to return an object at once, and no promise of one'],
  [Promise.resolve({}), "options() has to return an object at once, and no promise of one"],
  [{ authentificate: () => null }, "Cannot use authentificate: options() takes authenticate, authorize,"],
  [{ signal: new AbortController().signal }, "Cannot use signal: options() takes authenticate,"],
  [{ clock: {} }, "Cannot use clock: options() takes authenticate,"],
  [{ toString: () => "" }, "Cannot use toString: options() takes authenticate,"],
  [{ authenticate: null }, 'Cannot use authenticate "null": give a function'],
  [{ peer: { connect() {} } }, 'Cannot use peer "[object Object]": give a function'],
  [{ log: { sizes: 1 } }, "Cannot use sizes: log takes size, bytes, ttl, slack, totalBytes"],
  [{ log: 1_000 }, 'Cannot use log "1000": give the bounds of the object\'s log'],
])("%j is refused: %s", (options, message) => {
  expect(check(options)).toThrow(TypeError);
  expect(check(options)).toThrow(message);
});
