import { decode, verify, verifyWithJwks } from "hono/jwt";
import type { Identity, Peer } from "../model/peer.ts";
import { Keys, type KeysOptions } from "./keys.ts";

/** The algorithms of secrets, which whoever checks a token could also sign it with. */
export type SecretAlgorithm = "HS256" | "HS384" | "HS512";

/** The algorithms of key pairs. */
export type KeyAlgorithm =
  | "RS256"
  | "RS384"
  | "RS512"
  | "PS256"
  | "PS384"
  | "PS512"
  | "ES256"
  | "ES384"
  | "ES512"
  | "EdDSA";

/** What every token has to be. */
export interface TokenClaims {
  /** Whom it has to be for, one of these. Default: its `aud` does not matter. */
  audience?: string | readonly string[] | undefined;
  /** Who has to have made it. Default: its `iss` does not matter. */
  issuer?: string | undefined;
}

/** Tokens signed with a secret. */
export interface SecretOptions extends TokenClaims {
  /** At least 32 bytes, as random as a password of a machine's. */
  secret: string;
  /** What they may be signed with. Default: `["HS256"]`. */
  algorithms?: readonly SecretAlgorithm[] | undefined;
}

/** Tokens signed with one of several key pairs. */
export interface JwksOptions extends TokenClaims, KeysOptions {
  /** What they may be signed with. Default: `["RS256", "ES256"]`. */
  algorithms?: readonly KeyAlgorithm[] | undefined;
}

/** How tokens are checked. */
export type TokensOptions = SecretOptions | JwksOptions;

type Claims = Awaited<ReturnType<typeof verify>>;
type Check = (token: string) => Promise<Claims>;

/**
 * Makes an `authenticate` that lets everybody be upgraded, and then goes by the token of the connect command, as
 * Centrifugo does: `sub` is the user, `channels` what it is subscribed to from the start, `info` what others see, `exp`
 * when it has to have been refreshed. What the token says holds for the connection: of a later one `sub` has to be the
 * same, and only its `exp` counts.
 *
 * A token that has expired is refused with error 109, upon which clients ask for a new one. One that is wrong in any other
 * way, or missing, closes with 3500.
 *
 * Throws a TypeError or RangeError for options that would let in what they should not.
 *
 * @example
 * ```ts
 * import { tokens } from "tocsin/tokens";
 *
 * const authenticate = tokens({ secret: process.env.TOKEN_SECRET ?? "", audience: "notifications" });
 * app.get("/notifications", upgradeWebSocket(notifications(notifier, { authenticate })));
 * ```
 */
export function tokens(options: TokensOptions): () => Identity {
  const check = checkOf(options);
  const find = async (token: string): Promise<(Identity & { expires: number }) | null> => {
    const claims = token === "" ? undefined : await valid(token, check);
    return claims === undefined ? null : identityOf(claims);
  };
  const refresh = async ({ user }: Peer, token: string): Promise<number | null> => {
    const found = await find(token);
    return found?.user === user ? found.expires : null;
  };
  const connect = (_: Peer, { token }: { token: string }): Promise<Identity | null> => find(token);
  return () => ({ user: "", connect, refresh });
}

function checkOf(options: TokensOptions): Check {
  const given = ["secret", "jwks"].filter((name) => name in (options ?? {}));
  if (given.length !== 1)
    throw new TypeError(
      "Cannot check tokens: give one of secret and jwks, tokens({ secret }) or tokens({ jwks })",
    );
  const { audience, issuer } = options;
  for (const [name, value] of Object.entries({ audience, issuer })) {
    if (value !== undefined && value.length === 0)
      throw new TypeError(`Cannot check tokens by an empty ${name}: leave it out, or say who`);
  }
  const aud = typeof audience === "object" ? [...audience] : audience;
  // When a token expires is told apart from whether it is valid, by the clock of the notifier.
  const claims = { exp: false, iat: false, ...(aud && { aud }), ...(issuer && { iss: issuer }) };
  if ("secret" in options) return bySecret(options, claims);
  const { algorithms = ["RS256", "ES256"] } = options;
  const allowedAlgorithms = listOf(algorithms, /^(RS|PS|ES)(256|384|512)$|^EdDSA$/);
  const keys = new Keys(options);
  return async (token) => {
    const { header } = decode(token);
    const found = await keys.with(header?.kid);
    return verifyWithJwks(token, { keys: found, allowedAlgorithms, verification: claims });
  };
}

function bySecret({ secret, algorithms = ["HS256"] }: SecretOptions, claims: object): Check {
  if (typeof secret !== "string" || new TextEncoder().encode(secret).length < 32)
    throw new RangeError("Cannot check tokens by this secret: it is not a text of at least 32 bytes");
  // A public key given for a secret is a secret that everybody knows.
  const allowed = listOf(algorithms, /^HS(256|384|512)$/);
  return (token) => {
    const alg = allowed.find((each) => each === decode(token).header?.alg) ?? allowed[0];
    return verify(token, secret, { ...claims, alg: alg as SecretAlgorithm });
  };
}

function listOf<A extends string>(algorithms: readonly A[], fitting: RegExp): A[] {
  if (algorithms.length > 0 && algorithms.every((each) => fitting.test(each))) return [...algorithms];
  throw new TypeError(`Cannot check tokens by ${JSON.stringify(algorithms)}: not algorithms of such keys`);
}

/** The claims of a token; undefined where it is not valid. What else goes wrong is thrown. */
async function valid(token: string, check: Check): Promise<Claims | undefined> {
  try {
    const { payload } = decode(token);
    // Hono reads the claims before it checks the signature, and takes it that they are there.
    return typeof payload === "object" && payload !== null ? await check(token) : undefined;
  } catch (error) {
    // Their messages hold the token.
    if (error instanceof Error && error.name.startsWith("Jwt")) return undefined;
    throw error;
  }
}

/** Who it is by the claims; null where they make no sense. */
function identityOf({ sub, exp, channels, info }: Claims): (Identity & { expires: number }) | null {
  if (typeof sub !== "string") return null;
  if (exp !== undefined && (typeof exp !== "number" || !Number.isFinite(exp))) return null;
  if (channels !== undefined && !isListOfTexts(channels)) return null;
  return {
    user: sub,
    expires: exp === undefined ? Infinity : exp * 1000,
    ...(channels !== undefined && { channels }),
    ...(info !== undefined && { info }),
  };
}

function isListOfTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
